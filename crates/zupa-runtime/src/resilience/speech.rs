//! Speech behind its policies. Both directions may be tried again: nothing but money is
//! spent.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::{Audio, Result, SynthesisRequest, Synthesizer, Transcriber, TranscriptionRequest};

use super::IN_TURN;
use super::policy::{Call, Policy, Repeat};

#[derive(Debug)]
pub(super) struct GuardedTranscriber {
    pub inner: Arc<dyn Transcriber>,
    pub policy: Arc<Policy>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Transcriber for GuardedTranscriber {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn transcribe(&self, request: TranscriptionRequest) -> Result<String> {
        let call = Call {
            patience: Some(IN_TURN),
            ..Call::within(Repeat::Safe, request.timeout)
        };
        self.policy
            .call(call, |timeout| {
                let request = TranscriptionRequest {
                    timeout,
                    ..request.clone()
                };
                self.inner.transcribe(request)
            })
            .await
    }
}

#[derive(Debug)]
pub(super) struct GuardedSynthesizer {
    pub inner: Arc<dyn Synthesizer>,
    pub policy: Arc<Policy>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Synthesizer for GuardedSynthesizer {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn synthesize(&self, request: SynthesisRequest) -> Result<Audio> {
        let call = Call {
            patience: Some(IN_TURN),
            ..Call::within(Repeat::Safe, request.timeout)
        };
        self.policy
            .call(call, |timeout| {
                let request = SynthesisRequest {
                    timeout,
                    ..request.clone()
                };
                self.inner.synthesize(request)
            })
            .await
    }
}
