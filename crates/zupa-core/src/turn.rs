//! The states of inbounds and turns, and what a turn reads and leaves.

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::digest::Digest;
use crate::id::{EventId, Number};
use crate::time::Timestamp;

/// Where an inbound stands. Every accepted external inbound has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundState {
    /// Waiting for a turn.
    Queued,
    /// Taken by a running turn, or by one that waits for its retry.
    Claimed,
    /// A turn answered it.
    Answered,
    /// A turn ended without a word, with a reason.
    Silent,
    /// Given up, with its error.
    Dead,
    /// Turned away at the claim, with a reason.
    Refused,
    /// Too old to be a first sighting.
    Expired,
}

impl InboundState {
    /// Every state, in reading order.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Claimed,
        Self::Answered,
        Self::Silent,
        Self::Dead,
        Self::Refused,
        Self::Expired,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Answered => "answered",
            Self::Silent => "silent",
            Self::Dead => "dead",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True once nothing more will happen to it.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Claimed)
    }
}

/// Where a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Claimed; a process is on it, or was when it died.
    Running,
    /// Its commit is written.
    Committed,
    /// It failed and runs again later, over the same range.
    Retry,
    /// Given up.
    Dead,
    /// Its range was divided: the inbounds are retried one by one.
    Superseded,
}

impl TurnState {
    /// Every state, in reading order.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Committed,
        Self::Retry,
        Self::Dead,
        Self::Superseded,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Committed => "committed",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An inbound as a claim hands it to the turn.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Our id of it.
    pub event: EventId,
    /// Its place in the conversation.
    pub number: Number,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// What it says.
    pub content: Content,
}

/// A recorded result of an effect; a turn's journal is its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Logical node name, visit and effect: `call_model/1/model`.
    pub key: String,
    /// Digest of what the effect was given.
    pub input: Digest,
    /// What it gave back, as JSON.
    pub result: String,
}

/// One line of a conversation's history, as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its place in the conversation.
    pub number: Number,
    /// Who said it.
    pub role: crate::model::Role,
    /// What was said.
    pub text: String,
}
