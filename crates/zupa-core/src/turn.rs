//! The states of inbounds and turns, and what a turn reads and leaves.

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::digest::Digest;
use crate::id::{Alias, EventId, Number};
use crate::time::Timestamp;
use crate::tool::EffectClass;

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
    /// A human had the conversation and dealt with it.
    AnsweredByHuman,
}

impl InboundState {
    /// Every state, in reading order.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Claimed,
        Self::Answered,
        Self::Silent,
        Self::Dead,
        Self::Refused,
        Self::Expired,
        Self::AnsweredByHuman,
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
            Self::AnsweredByHuman => "answered_by_human",
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
    /// Its range was divided, the inbounds are retried one by one; or a human has
    /// answered them meanwhile.
    Superseded,
    /// Its commit is written, and another turn goes on where it waits.
    Parked,
}

impl TurnState {
    /// Every state, in reading order.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Committed,
        Self::Retry,
        Self::Dead,
        Self::Superseded,
        Self::Parked,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Committed => "committed",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
            Self::Parked => "parked",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An inbound as a claim hands it to the turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claimed {
    /// Our id of it.
    pub event: EventId,
    /// Its place in the conversation.
    pub number: Number,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// What it says.
    pub content: Content,
    /// Who speaks, in a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Alias>,
    /// Whether a turn has had it before.
    #[serde(default, skip_serializing_if = "Coming::is_new")]
    pub coming: Coming,
}

/// How an inbound comes to its turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coming {
    /// No turn has had it before.
    #[default]
    New,
    /// Out of a turn that was divided.
    Divided,
    /// Out of the dead letters: an operator has it tried again.
    Redriven,
}

impl Coming {
    /// True for one that no turn has had before.
    pub fn is_new(&self) -> bool {
        *self == Self::New
    }
}

/// An entry of a turn's journal: an effect that is about to start, or its result.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// Logical node name, visit and effect: `call_model/1/model`.
    pub key: String,
    /// Its place in the journal, from 0; a result has that of its intent.
    pub ordinal: u32,
    /// Digest of what the effect was given.
    pub input: Digest,
    /// What a crash in the middle of it means.
    pub class: EffectClass,
    /// What it gave back, as JSON. Without it this is an intent: the effect may
    /// have happened.
    pub result: Option<String>,
}

impl Step {
    /// True for an effect that was about to start, and of which no more is known.
    pub fn is_intent(&self) -> bool {
        self.result.is_none()
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.is_intent() { "intent" } else { "result" };
        write!(f, "Step({} {}, {what})", self.ordinal, self.key)
    }
}

/// What an agent keeps of a conversation from turn to turn, as JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoredState {
    /// Version of its form; whoever knows only older ones leaves it alone.
    pub version: u32,
    /// The state. Customer text: never logged.
    pub json: String,
}

impl std::fmt::Debug for StoredState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "StoredState(v{}, {} bytes)",
            self.version,
            self.json.len()
        )
    }
}

/// Something that happened in a turn and that others may want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What: `order.placed`.
    pub name: String,
    /// About it, as JSON.
    pub payload: String,
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
