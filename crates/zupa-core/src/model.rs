//! The `Model` port: one completion, streamed.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Outcome, Result, Retry};

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the agent's maker.
    System,
    /// The person.
    User,
    /// The agent.
    Assistant,
}

impl Role {
    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::System, Self::User, Self::Assistant]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// One message of a prompt. Customer text: never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: String,
}

impl Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prompt({})", self.role.as_str())
    }
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The conversation so far, system message first.
    pub messages: Vec<Prompt>,
    /// The longest the whole call may take, last byte included.
    pub timeout: Duration,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// More text.
    Delta(String),
    /// The end; nothing follows.
    Done {
        /// Why it stopped.
        finish: FinishReason,
        /// What it cost, if the provider says.
        usage: Option<Usage>,
        /// The model that answered, if the provider says.
        model: Option<String>,
    },
}

/// The parts of an answer, in order. Ends after [`ModelEvent::Done`] or the
/// first error. Dropping it cancels the call.
pub type ModelStream = BoxStream<'static, Result<ModelEvent>>;

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It had said all.
    Stop,
    /// It ran into the token limit.
    Length,
    /// The provider cut it off for its content.
    ContentFilter,
    /// Anything else, as the provider spells it.
    Other(String),
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// A whole answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// What was said.
    pub text: String,
    /// Why it stopped.
    pub finish: FinishReason,
    /// What it cost, if known.
    pub usage: Option<Usage>,
    /// The model that answered, if known.
    pub model: Option<String>,
}

impl Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Completion({} bytes, {:?})",
            self.text.len(),
            self.finish
        )
    }
}

/// One completion, streamed.
#[async_trait]
pub trait Model: Debug + Send + Sync + 'static {
    /// Names the model, for audit and metrics.
    fn name(&self) -> &str;

    /// Starts a completion.
    ///
    /// *Behaviour*: resolves when the provider has answered the request; parts
    /// follow in the stream. Never retries by itself. Keeps to
    /// `request.timeout` from the call to the last part.
    /// *Errors*: about the provider (unreachable, failing, too fast, unpaid,
    /// unauthorised, nonsense) and about this input (invalid, context length,
    /// content filter) MUST be told apart by kind. A server's `Retry-After`
    /// MUST be kept in [`Retry::After`]. Bodies are never part of an error.
    /// *Cancel safety*: dropping the future or the stream closes the
    /// connection; the provider may still charge for the call.
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream>;
}

/// Reads a stream to its end, showing each piece of text to `on_delta`.
///
/// A stream that ends without [`ModelEvent::Done`] was cut off:
/// [`ErrorKind::Unavailable`], to be tried again.
pub async fn collect(
    mut stream: ModelStream,
    mut on_delta: impl FnMut(&str) + Send,
) -> Result<Completion> {
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event? {
            ModelEvent::Delta(piece) => {
                on_delta(&piece);
                text.push_str(&piece);
            }
            ModelEvent::Done {
                finish,
                usage,
                model,
            } => {
                return Ok(Completion {
                    text,
                    finish,
                    usage,
                    model,
                });
            }
        }
    }
    Err(
        Error::new(ErrorKind::Unavailable, "the model's answer was cut off")
            .with_retry(Retry::Now)
            .with_outcome(Outcome::Unknown),
    )
}
