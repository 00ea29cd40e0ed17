//! How a call of a tool ended, as the journal keeps it and as the model is told.

use std::fmt::{self, Debug};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zupa_core::{Error, ErrorKind, Outcome, ToolOutput};

/// How a call ended, or why it was not made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Called {
    /// With an output.
    Output(ToolOutput),
    /// With an error, which the model is told.
    Error {
        /// A word for it: `timeout`, `rejected`, `not_done`.
        kind: String,
        /// What went wrong. May repeat what a tool said: not for logs.
        message: String,
        /// True when nobody knows whether it happened.
        unknown: bool,
        /// What was given up on, if it did not answer in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        late: Option<Late>,
    },
}

/// A call that did not answer in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// The name of the tool.
    pub tool: String,
    /// Milliseconds that it was waited for, tries and waits included.
    pub ms: u64,
}

/// A call that failed.
pub(super) struct Failed {
    pub error: Error,
    pub tool: String,
    pub took: Duration,
}

impl Called {
    /// The output, if there is one.
    pub fn output(&self) -> Option<&ToolOutput> {
        match self {
            Self::Output(output) => Some(output),
            Self::Error { .. } => None,
        }
    }

    /// As a model is told of it.
    pub fn for_model(&self) -> String {
        match self {
            Self::Output(output) => match &output.result {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            Self::Error {
                kind,
                message,
                late,
                ..
            } => {
                let mut told = json!({ "error": kind, "message": message });
                if let Some(Late { tool, ms }) = late {
                    told["tool"] = json!(tool);
                    told["ms"] = json!(ms);
                }
                told.to_string()
            }
        }
    }

    /// An error for the model that is none of a call: nothing was tried.
    pub(crate) fn refused(kind: &str, message: impl Into<String>) -> Self {
        Self::Error {
            kind: kind.to_owned(),
            message: message.into(),
            unknown: false,
            late: None,
        }
    }

    pub(super) fn of(failed: Failed) -> Self {
        let Failed { error, tool, took } = failed;
        let message = match outcome(&error) {
            Outcome::Applied => format!("it took place, but: {}", error.message()),
            Outcome::NotApplied | Outcome::Unknown => error.message().to_owned(),
        };
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self::Error {
            kind: error.kind().as_str().to_owned(),
            message,
            unknown: outcome(&error) == Outcome::Unknown,
            late: (error.kind() == ErrorKind::Timeout).then_some(Late { tool, ms }),
        }
    }

    pub(super) fn did_not() -> Self {
        Self::refused("not_done", "the call did not take place")
    }

    /// True when nobody knows whether it happened.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Error { unknown: true, .. })
    }
}

impl Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(output) => write!(f, "Called({output:?})"),
            Self::Error { kind, .. } => write!(f, "Called({kind})"),
        }
    }
}

/// Whether a call took place. An error that does not say so and sounds like a lost answer
/// is one.
pub(super) fn outcome(error: &Error) -> Outcome {
    error.said_outcome().unwrap_or(match error.kind() {
        ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Protocol | ErrorKind::Internal => {
            Outcome::Unknown
        }
        _ => Outcome::NotApplied,
    })
}
