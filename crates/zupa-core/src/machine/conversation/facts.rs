//! What the conversation machine knows beside its state.

use serde::{Deserialize, Serialize};

/// The context of the conversation machine. The caller sets `answer` before it
/// reports the message that answers a confirmation, and `next` before it
/// reports that the agent completed; `failures` is the machine's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Failures since something last went well.
    pub failures: u32,
    /// How the last message answers the open confirmation.
    pub answer: Answer,
    /// What the agent left to do.
    pub next: Next,
}

/// How a message answers a confirmation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Neither: it is read as a new message. Nothing is ever confirmed by
    /// default.
    #[default]
    Other,
    /// Confirmed.
    Yes,
    /// Declined.
    No,
}

/// What follows an agent's work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Ask the person whether that was it.
    #[default]
    Confirm,
    /// Wait for the person's next message.
    Listen,
    /// The matter is closed.
    Done,
}
