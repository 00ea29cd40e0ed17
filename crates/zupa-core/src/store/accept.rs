//! Stop 1, `accept`: what is written, and what is answered.

use crate::burst::Burst;
use crate::id::{ConversationId, EventId, Number, ProcessId, TurnId};
use crate::inbound::Inbound;
use crate::time::Timestamp;

/// One inbound to accept.
#[derive(Debug, Clone)]
pub struct Accept {
    /// A fresh id of ours; kept only at a first sighting.
    pub event: EventId,
    /// A fresh conversation; kept only if no alias is known.
    pub conversation: ConversationId,
    /// The message. Its platform id is set.
    pub inbound: Inbound,
    /// The burst window of its agent.
    pub burst: Burst,
    /// Platform times before this end as expired.
    pub expires_before: Timestamp,
    /// Somebody who would run the turn at once.
    pub offer: Option<Offer>,
}

/// A worker that is free now. If the inbound is queued, its conversation due, and
/// no turn of it open, the same transaction claims it: a turn then waits for one
/// write less.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// A fresh turn.
    pub turn: TurnId,
    /// Who offers.
    pub process: ProcessId,
    /// When the claim ends if it is not renewed.
    pub expires_at: Timestamp,
    /// As in [`super::Claim`].
    pub loads: u32,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// First sighting, queued.
    Queued {
        /// Its conversation.
        conversation: ConversationId,
        /// Its place there.
        number: Number,
        /// When the conversation is due.
        due_at: Timestamp,
    },
    /// First sighting, too old: written as ended.
    Expired {
        /// Its conversation.
        conversation: ConversationId,
    },
    /// First sighting of what the person has taken back before it came: written as
    /// ended.
    Revoked {
        /// Its conversation.
        conversation: ConversationId,
        /// Its place there.
        number: Number,
    },
    /// Seen before, with equal content. Nothing was written but a count and
    /// newly revealed aliases.
    Duplicate {
        /// The id of the first sighting.
        event: EventId,
    },
    /// Seen before, with another content. Nothing was written.
    Conflict {
        /// The id of the first sighting.
        event: EventId,
    },
}
