//! The states and events of the conversation machine, with the words that
//! stores keep.

use serde::{Deserialize, Serialize};

use crate::machine::Event;

/// Where a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationState {
    /// Nothing is going on.
    Idle,
    /// It is the person's turn to write.
    AwaitingInput,
    /// A message is being read.
    ProcessingIntent,
    /// An agent is at work.
    AgentActive,
    /// The person was asked for a yes or a no.
    AwaitingConfirmation,
    /// Something went wrong; the person was asked to try again.
    Fallback,
    /// A human has it; the agent is silent.
    NeedsHuman,
    /// The matter is closed.
    Completed,
    /// Given up, or nobody could try.
    Error,
}

impl ConversationState {
    /// Every state, in reading order.
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::AwaitingInput,
        Self::ProcessingIntent,
        Self::AgentActive,
        Self::AwaitingConfirmation,
        Self::Fallback,
        Self::NeedsHuman,
        Self::Completed,
        Self::Error,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::AwaitingInput => "awaiting_input",
            Self::ProcessingIntent => "processing_intent",
            Self::AgentActive => "agent_active",
            Self::AwaitingConfirmation => "awaiting_confirmation",
            Self::Fallback => "fallback",
            Self::NeedsHuman => "needs_human",
            Self::Completed => "completed",
            Self::Error => "error",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What happens to a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationEvent {
    /// The conversation is opened without a message.
    Start,
    /// The person wrote.
    MessageReceived,
    /// What the person wants is known.
    IntentRecognized,
    /// An agent takes it, or takes it over from another.
    AgentSelected,
    /// The agent's work succeeded.
    AgentCompleted,
    /// The agent's work failed, or no agent could be had.
    AgentFailed,
    /// The person calls it off.
    UserCancelled,
    /// The state's timer is due.
    Timeout,
    /// The message was not understood.
    Fallback,
    /// A human is to take it.
    Escalate,
    /// The human returns it to the agent.
    HandBack,
    /// An operator or the person starts over.
    Reset,
}

impl ConversationEvent {
    /// Every event, in reading order.
    pub const ALL: [Self; 12] = [
        Self::Start,
        Self::MessageReceived,
        Self::IntentRecognized,
        Self::AgentSelected,
        Self::AgentCompleted,
        Self::AgentFailed,
        Self::UserCancelled,
        Self::Timeout,
        Self::Fallback,
        Self::Escalate,
        Self::HandBack,
        Self::Reset,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::MessageReceived => "message_received",
            Self::IntentRecognized => "intent_recognized",
            Self::AgentSelected => "agent_selected",
            Self::AgentCompleted => "agent_completed",
            Self::AgentFailed => "agent_failed",
            Self::UserCancelled => "user_cancelled",
            Self::Timeout => "timeout",
            Self::Fallback => "fallback",
            Self::Escalate => "escalate",
            Self::HandBack => "hand_back",
            Self::Reset => "reset",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

impl Event for ConversationEvent {
    type State = ConversationState;
}
