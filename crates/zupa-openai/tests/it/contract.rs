//! The contract of speech on this adapter, over a server that behaves as told.

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use zupa_core::{Audio, Synthesizer, Transcriber};
use zupa_openai::{
    OpenAiSynthesizer, OpenAiSynthesizerConfig, OpenAiTranscriber, OpenAiTranscriberConfig,
};
use zupa_testkit::contract::speech::{BUSY_FOR, CASES, Harness, Provider, WORDS, run_all};

use crate::server::{Server, Step};
use crate::support::{JSON, answer, fault};

/// The server of the adapter that was made last.
#[derive(Default)]
struct Speech(Mutex<Option<Server>>);

impl Speech {
    /// A server that behaves so; where it works, it answers with this.
    async fn serve(&self, provider: Provider, content_type: &str, good: &str) -> String {
        let busy = format!("{JSON}retry-after: {}\r\n", BUSY_FOR.as_secs());
        let fault = |kind| fault(kind, Value::Null);
        let mut script = match provider {
            Provider::Works | Provider::Silent => {
                answer(200, &format!("content-type: {content_type}\r\n"), good)
            }
            Provider::Refuses => answer(400, JSON, &fault("invalid_request_error")),
            Provider::Down => answer(500, JSON, &fault("server_error")),
            Provider::Busy => answer(429, &busy, &fault("requests")),
            Provider::Slow => vec![Step::Stall],
        };
        script.push(Step::Again);
        let server = Server::start(script).await;
        let base_url = server.base_url.clone();
        *self.0.lock().unwrap() = Some(server);
        base_url
    }
}

#[async_trait]
impl Harness for Speech {
    async fn transcriber(&self, provider: Provider) -> Option<(Box<dyn Transcriber>, Audio)> {
        let heard = match provider {
            Provider::Silent => "",
            _ => WORDS,
        };
        let good = json!({ "text": heard }).to_string();
        let ear = OpenAiTranscriber::new(OpenAiTranscriberConfig {
            base_url: self.serve(provider, "application/json", &good).await,
            ..OpenAiTranscriberConfig::default()
        });
        let audio = Audio::new("audio/ogg; codecs=opus", WORDS.as_bytes());
        Some((Box::new(ear.unwrap()), audio))
    }

    async fn synthesizer(&self, provider: Provider) -> Option<Box<dyn Synthesizer>> {
        let good = match provider {
            Provider::Silent => "",
            _ => "OggS…",
        };
        let mouth = OpenAiSynthesizer::new(OpenAiSynthesizerConfig {
            base_url: self.serve(provider, "audio/ogg", good).await,
            ..OpenAiSynthesizerConfig::default()
        });
        Some(Box::new(mouth.unwrap()))
    }

    fn calls(&self) -> Option<usize> {
        let last = self.0.lock().unwrap();
        last.as_ref().map(|server| server.seen().len())
    }
}

#[tokio::test]
async fn speech_over_a_server_keeps_the_contract() {
    let report = run_all(&Speech::default()).await;
    assert!(report.broken.is_empty(), "{report}");
    assert_eq!(report.skipped, [""; 0]);
    assert_eq!(report.kept.len(), CASES.len());
}
