//! From chunks to events: the reading end of a stream.
//!
//! Arrives: loose JSON, chunk by chunk. Guaranteed on leaving: texts in order,
//! then whole calls in order, then one `Done`, or one error at any time, then
//! nothing. If the process dies here, the answer is lost with the connection.

use std::collections::VecDeque;
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::types::stream::StreamResponse;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::timeout;
use zupa_core::{FinishReason, ModelEvent, ModelStream, Usage};

use crate::calls::Calls;
use crate::chunk::{Chunk, NoChunk};
use crate::error::{Failure, into_error};
use crate::fence::Fence;
use crate::watch::{End, Watch};

/// After the finish only the usage is missing. It comes at once or it is not
/// worth the wait, let alone the answer.
const LINGER: Duration = Duration::from_secs(2);

/// What the text of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// Reads chunks as the events of one answer.
pub(crate) fn read(
    chunks: StreamResponse<Value>,
    watch: Watch,
    form: Form,
    model: String,
) -> ModelStream {
    let answer = Answer {
        chunks,
        watch,
        has_begun: false,
        fence: (form == Form::Json).then(Fence::default),
        calls: Calls::default(),
        finish: None,
        usage: None,
        model: None,
        last: VecDeque::new(),
    };
    stream::unfold(Some((answer, model)), |state| async move {
        let (mut answer, model) = state?;
        match answer.next().await {
            Ok(done @ ModelEvent::Done { .. }) => Some((Ok(done), None)),
            Ok(event) => Some((Ok(event), Some((answer, model)))),
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
    fence: Option<Fence>,
    calls: Calls,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    model: Option<String>,
    /// The end, when it has been reached: the last text, calls, `Done`.
    last: VecDeque<ModelEvent>,
}

impl Answer {
    /// Cancelling is safe: a chunk is taken whole or not at all.
    async fn next(&mut self) -> Result<ModelEvent, Failure> {
        loop {
            if let Some(event) = self.last.pop_front() {
                return Ok(event);
            }
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
                None => {
                    self.conclude()?;
                    continue;
                }
            };
            match chunk {
                Ok(chunk) => {
                    if let Some(text) = self.take(chunk)? {
                        return Ok(ModelEvent::Delta(text));
                    }
                }
                // The answer is whole; what breaks after it is not its matter.
                Err(_) if self.finish.is_some() => self.conclude()?,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Takes what a chunk brings; gives the text to show.
    fn take(&mut self, chunk: Chunk) -> Result<Option<String>, Failure> {
        self.has_begun = true;
        self.finish = chunk.finish.or(self.finish.take());
        self.usage = chunk.usage.or(self.usage);
        self.model = chunk.model.or(self.model.take());
        for fragment in chunk.calls {
            self.calls.take(fragment)?;
        }
        let text = match &mut self.fence {
            Some(fence) => fence.open(&chunk.text),
            None => chunk.text,
        };
        Ok((!text.is_empty()).then_some(text))
    }

    /// Ends the answer, if it has come to an end.
    fn conclude(&mut self) -> Result<(), Failure> {
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
        let calls = std::mem::take(&mut self.calls).finish()?;
        // Servers disagree on what to say of calls; whether there are any is a
        // fact. A limit or a filter may have cut them short, so it stays.
        let finish = match finish {
            FinishReason::Stop if !calls.is_empty() => FinishReason::ToolCalls,
            FinishReason::ToolCalls if calls.is_empty() => FinishReason::Stop,
            finish => finish,
        };
        let text = self.fence.take().map(Fence::end).unwrap_or_default();
        if !text.is_empty() {
            self.last.push_back(ModelEvent::Delta(text));
        }
        self.last.extend(calls.into_iter().map(ModelEvent::Call));
        self.last.push_back(ModelEvent::Done {
            finish,
            usage: self.usage,
            model: self.model.take(),
        });
        Ok(())
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
