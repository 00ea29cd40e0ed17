//! From chunks to events: the reading end of a stream.
//!
//! Arrives: loose JSON, chunk by chunk. Guaranteed on leaving: texts in order,
//! then one `Done` or one error, then nothing. If the process dies here, the
//! answer is lost with the connection.

use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::types::stream::StreamResponse;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::timeout;
use zupa_core::{FinishReason, ModelEvent, ModelStream, Usage};

use crate::error::{Failure, into_error};
use crate::watch::{End, Watch};
use crate::wire::{Chunk, NoChunk};

/// After the finish only the usage is missing. It comes at once or it is not
/// worth the wait, let alone the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Reads chunks as the events of one answer.
pub(crate) fn read(chunks: StreamResponse<Value>, watch: Watch, model: String) -> ModelStream {
    let answer = Answer {
        chunks,
        watch,
        has_begun: false,
        finish: None,
        usage: None,
        model: None,
    };
    stream::unfold(Some((answer, model)), |state| async move {
        let (mut answer, model) = state?;
        match answer.next().await {
            Ok(event @ ModelEvent::Delta(_)) => Some((Ok(event), Some((answer, model)))),
            Ok(done) => Some((Ok(done), None)),
            Err(failure) => Some((Err(into_error(failure, &model)), None)),
        }
    })
    .boxed()
}

/// What is known of an answer so far.
struct Answer {
    chunks: StreamResponse<Value>,
    watch: Watch,
    has_begun: bool,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    model: Option<String>,
}

impl Answer {
    /// Cancelling is safe: a chunk is taken whole or not at all.
    async fn next(&mut self) -> Result<ModelEvent, Failure> {
        loop {
            let item = match self.finish {
                None => self.chunks.next().await,
                Some(_) => timeout(LINGER, self.chunks.next()).await.unwrap_or(None),
            };
            let chunk = match item {
                Some(Ok(event)) => Chunk::read(&event).map_err(|no_chunk| match no_chunk {
                    NoChunk::Fault(fault) => Failure::Answer(fault.into_failure()),
                    NoChunk::Nonsense => Failure::Undecodable,
                }),
                Some(Err(vendor)) => Err(self.broken(&vendor)),
                None => return self.conclude(),
            };
            let chunk = match chunk {
                Ok(chunk) => chunk,
                // The answer is whole; what breaks after it is not its matter.
                Err(_) if self.finish.is_some() => return self.conclude(),
                Err(failure) => return Err(failure),
            };
            self.has_begun = true;
            self.finish = chunk.finish.or(self.finish.take());
            self.usage = chunk.usage.or(self.usage);
            self.model = chunk.model.or(self.model.take());
            if !chunk.text.is_empty() {
                return Ok(ModelEvent::Delta(chunk.text));
            }
        }
    }

    fn conclude(&mut self) -> Result<ModelEvent, Failure> {
        let finish = match (self.finish.take(), self.watch.end()) {
            (Some(finish), _) => finish,
            (None, Some(End::Failed(failure))) => return Err(failure.clone()),
            (None, Some(End::Closed)) => return Err(Failure::CutOff),
            (None, None) if !self.watch.saw_done() => return Err(Failure::CutOff),
            // `[DONE]` and nothing else.
            (None, None) if !self.has_begun => return Err(Failure::Undecodable),
            // Some servers give no reason and say only `[DONE]`.
            (None, None) => FinishReason::Stop,
        };
        Ok(ModelEvent::Done {
            finish,
            usage: self.usage,
            model: self.model.take(),
        })
    }

    /// The vendor's error holds parts of the body, so only its kind counts.
    fn broken(&self, vendor: &OpenAIError) -> Failure {
        match (vendor, self.watch.end()) {
            // A body that ends inside a character is cut off, not garbled.
            (OpenAIError::StreamError(_), Some(End::Failed(failure))) => failure.clone(),
            (OpenAIError::StreamError(_), Some(End::Closed)) => Failure::CutOff,
            _ => Failure::Undecodable,
        }
    }
}
