//! The limits and times of the conversation machine.

use std::time::Duration;

use super::words::ConversationState;

/// The states in which it waits for the person, each with its timer. With a
/// human it waits without one.
pub(super) const WAITING: [ConversationState; 5] = [
    ConversationState::AwaitingInput,
    ConversationState::AwaitingConfirmation,
    ConversationState::Fallback,
    ConversationState::Completed,
    ConversationState::Error,
];

/// What may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many failures in a row are borne; the next one gives up.
    /// The default is 3.
    pub fallback_limit: u32,
    /// Where giving up leads. The default is a human.
    pub give_up: GiveUp,
    /// How long the person may be silent; the default is 15 minutes.
    pub wait: Duration,
    /// How long reading a message, or an agent's work, may take; the default is
    /// 120 seconds.
    pub work: Duration,
    /// How many passages a snapshot keeps; the default is 50.
    pub history: usize,
}

/// Where one failure too many leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GiveUp {
    /// To `needs_human`.
    #[default]
    NeedsHuman,
    /// To `error`.
    Error,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            fallback_limit: 3,
            give_up: GiveUp::default(),
            wait: Duration::from_secs(15 * 60),
            work: Duration::from_secs(120),
            history: 50,
        }
    }
}

impl GiveUp {
    pub(super) fn target(self) -> ConversationState {
        match self {
            Self::NeedsHuman => ConversationState::NeedsHuman,
            Self::Error => ConversationState::Error,
        }
    }
}
