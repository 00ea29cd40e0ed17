//! The `Model` port: one completion, streamed.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Parts};
use crate::error::{Error, ErrorKind, Outcome, Result, Retry};
use crate::tool::{ToolCall, ToolSpec};

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
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Prompt {
    /// Instructions of the agent's maker.
    System {
        /// What is said.
        text: String,
    },
    /// The person.
    User {
        /// What is said.
        text: String,
    },
    /// The agent.
    Assistant {
        /// What is said; may be empty beside calls.
        text: String,
        /// Tools it asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// The result of a call, which an assistant's message before asked for.
    Tool {
        /// The call's id.
        call: String,
        /// What it gave back.
        result: String,
    },
}

impl Prompt {
    /// A line of a conversation.
    pub fn line(role: Role, text: impl Into<String>) -> Self {
        let text = text.into();
        match role {
            Role::System => Self::System { text },
            Role::User => Self::User { text },
            Role::Assistant => Self::Assistant {
                text,
                calls: Vec::new(),
            },
        }
    }

    /// What is said.
    pub fn text(&self) -> &str {
        match self {
            Self::System { text }
            | Self::User { text }
            | Self::Assistant { text, .. }
            | Self::Tool { result: text, .. } => text,
        }
    }

    /// Of the messages of a prompt, without spelling them as JSON.
    pub fn digest(messages: &[Self]) -> Digest {
        let mut parts = Parts::default();
        for message in messages {
            match message {
                Self::System { text } => parts.add("system").add(text),
                Self::User { text } => parts.add("user").add(text),
                Self::Assistant { text, calls } => {
                    for ToolCall {
                        id,
                        name,
                        arguments,
                    } in calls
                    {
                        parts.add("call").add(id).add(name).add(arguments);
                    }
                    parts.add("assistant").add(text)
                }
                Self::Tool { call, result } => parts.add("tool").add(call).add(result),
            };
        }
        parts.digest()
    }
}

impl Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let role = match self {
            Self::System { .. } => "system",
            Self::User { .. } => "user",
            Self::Assistant { .. } => "assistant",
            Self::Tool { .. } => "tool",
        };
        write!(f, "Prompt({role})")
    }
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The conversation so far, system message first.
    pub messages: Arc<[Prompt]>,
    /// Tools that it may ask for.
    pub tools: Vec<ToolSpec>,
    /// The form that the answer must have; none for plain text.
    pub reply: Option<ReplySchema>,
    /// The most tokens that the answer may have; none leaves it to the provider.
    pub max_tokens: Option<u64>,
    /// The longest the whole call may take, last byte included.
    pub timeout: Duration,
}

impl ModelRequest {
    /// Asks for plain text.
    pub fn new(messages: impl Into<Arc<[Prompt]>>, timeout: Duration) -> Self {
        Self {
            messages: messages.into(),
            tools: Vec::new(),
            reply: None,
            max_tokens: None,
            timeout,
        }
    }
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplySchema {
    /// A short name, as of a type.
    pub name: String,
    /// JSON Schema: an object.
    pub schema: serde_json::Value,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// More text.
    Delta(String),
    /// A wish to call a tool, whole, however many pieces it came in.
    Call(ToolCall),
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
    /// It waits for the results of its calls.
    ToolCalls,
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

/// What a model's tokens cost, in millionths of a unit of whatever currency the limits are
/// in. Default: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Of a million tokens of prompts.
    pub input_micros_per_million: u64,
    /// Of a million tokens of answers.
    pub output_micros_per_million: u64,
}

impl Price {
    /// What a call cost, in millionths of a millionth of a unit: nothing is rounded.
    pub fn parts(&self, usage: Usage) -> u128 {
        let input = u128::from(usage.input_tokens) * u128::from(self.input_micros_per_million);
        let output = u128::from(usage.output_tokens) * u128::from(self.output_micros_per_million);
        input.saturating_add(output)
    }
}

/// A whole answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// What was said.
    pub text: String,
    /// Tools it asked for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
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
            "Completion({} bytes, {} calls, {:?})",
            self.text.len(),
            self.calls.len(),
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
    let (mut text, mut calls) = (String::new(), Vec::new());
    while let Some(event) = stream.next().await {
        match event? {
            ModelEvent::Delta(piece) => {
                on_delta(&piece);
                text.push_str(&piece);
            }
            ModelEvent::Call(call) => calls.push(call),
            ModelEvent::Done {
                finish,
                usage,
                model,
            } => {
                return Ok(Completion {
                    text,
                    calls,
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
