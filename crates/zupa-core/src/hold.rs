//! A conversation in a human's hands: until it is handed back the agent is silent
//! in it.
//!
//! While it is held no turn of it is claimed, and nothing that a running one says or
//! commits leaves: its outbox rows are written as cancelled, with [`Hold::REASON`].
//! So is what waited to be sent, and what was on the wire and comes back, however long
//! after. What the agent has asked the person is not asked any more.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Why the agent is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// An operator took the conversation over.
    Operator,
    /// Somebody wrote to the person from the business's own phone.
    Human,
    /// Nobody has it; the agent is to be silent all the same.
    Pause,
}

impl HoldKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Human, Self::Pause];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Human => "human",
            Self::Pause => "pause",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Who has a conversation, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    pub kind: HoldKind,
    /// Who, as the audit names them.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// When the human was last known to speak to the person: whatever the person
    /// said before was read by somebody. None if nothing is known of it.
    pub human_at: Option<Timestamp>,
}

impl Hold {
    /// Who holds a conversation that was taken over on a device of the business.
    pub const BY_DEVICE: &'static str = "human";

    /// The reason of deliveries that a hold has cancelled.
    pub const REASON: &'static str = "held";
    /// The reason of deliveries that were on the wire, or in doubt, when the hold began:
    /// what comes back is cancelled, also after the hand-back.
    pub const TAKEN_OVER: &'static str = "taken_over";
}
