//! Stop 5, `deliver`: attempts, and how they are settled.

use crate::content::Content;
use crate::error::ErrorKind;
use crate::id::{Address, ChannelId, ConversationId, Number, PlatformId};
use crate::outbound::{DeliveryId, DeliveryState, Lane};
use crate::pace::PairPace;
use crate::time::Timestamp;
use crate::window::ReplyWindow;

/// A delivery that waits for an attempt or a decision.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id, which is also the idempotency key.
    pub id: DeliveryId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Its place there.
    pub number: Number,
    /// Where to.
    pub to: Address,
    /// What.
    pub content: Content,
    /// Which queue of the conversation it waits in.
    pub lane: Lane,
    /// Where it stands: queued, retry or in doubt.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// When the last of them was recorded.
    pub tried_at: Option<Timestamp>,
}

/// The doors whose deliveries are wanted now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenDoors {
    /// Those that take everything.
    pub all: Vec<ChannelId>,
    /// Those that take replies alone: enough else waits for them already.
    pub replies: Vec<ChannelId>,
}

/// A wish to put a delivery on the wire. Recorded before the wire.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Whose delivery.
    pub conversation: ConversationId,
    /// Which.
    pub number: Number,
    /// Which attempt it will be: one more than there were.
    pub attempt: u32,
    /// The conversation's line is kept until the attempt is settled; from this
    /// time on an unsettled one is in doubt.
    pub answer_by: Timestamp,
    /// How fast the conversation may be sent to, if its door has a pace.
    pub pace: Option<PairPace>,
    /// The door's reply window, of what may not leave when it is closed; what becomes of this
    /// message then is in it.
    pub window: Option<ReplyWindow>,
}

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// Recorded: send.
    Granted,
    /// Settled, cancelled or tried by somebody else meanwhile: do not send.
    Lost,
    /// The reply window is closed: do not send. It is no attempt. Where
    /// [`crate::WhenClosed::Wait`] is asked for, the delivery is due again once something was
    /// heard, or when it has waited for long enough; where [`crate::WhenClosed::Template`] is,
    /// it stays as it is.
    Closed,
    /// The reply window is closed, and the delivery has ended with that: it has failed, or was
    /// cancelled where [`crate::WhenClosed::Drop`] is asked for. Do not send; it was no attempt.
    Ended,
    /// Too early: do not send. It is no attempt, and the delivery is due again then.
    Paced {
        /// When.
        until: Timestamp,
    },
}

/// The result of an attempt. True evidence, so it is not fenced; it only moves
/// forward.
#[derive(Debug, Clone)]
pub struct Settle {
    /// Whose delivery.
    pub conversation: ConversationId,
    /// Which.
    pub number: Number,
    /// Which attempt it speaks of.
    pub attempt: u32,
    /// What happened.
    pub settlement: Settlement,
}

/// What happened to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The channel took it.
    Sent {
        /// The platform's id, if it told one.
        platform_id: Option<PlatformId>,
    },
    /// It did not leave; try again later.
    Retry {
        /// When.
        not_before: Timestamp,
        /// Why.
        kind: ErrorKind,
    },
    /// It will never leave. Later parts of the same reply are cancelled.
    Failed {
        /// Why.
        kind: ErrorKind,
    },
    /// It will not leave, and nobody has to be told.
    Cancelled {
        /// Why.
        kind: ErrorKind,
    },
    /// Nobody knows. Evidence is awaited until `until`.
    InDoubt {
        /// The end of the wait.
        until: Timestamp,
    },
    /// The wait ended without evidence: a dead letter, the rest goes on.
    Unknown,
    /// It may be sent again: the channel deduplicates, or it certainly did not leave.
    SendAgain,
    /// The wait ended without evidence, and it is sent again all the same: counted as
    /// possibly doubled.
    Resend,
}

impl Settlement {
    /// What a status says that carries our key and tells that the platform has given up.
    pub const FAILED_BY_STATUS: Self = Self::Failed {
        kind: ErrorKind::Invalid,
    };
}
