//! Stop 4, `commit`: the end of a turn's run, all or nothing.

use crate::audit::{AuditHead, AuditLink};
use crate::error::ErrorKind;
use crate::id::{ConversationId, Epoch, Number, TurnId, WaitId};
use crate::outbound::{DeliveryState, Outbound};
use crate::time::Timestamp;
use crate::turn::{Fact, StoredState};
use crate::wait::{NewWait, WaitState};

/// The end of one run of a turn.
#[derive(Debug, Clone)]
pub struct Finish {
    /// Which turn.
    pub turn: TurnId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// The claim it ran under.
    pub epoch: Epoch,
    /// How it ended.
    pub end: TurnEnd,
    /// The audit head that `audit` was chained to.
    pub audit_head: AuditHead,
    /// What to say of it in the audit.
    pub audit: Vec<AuditLink>,
}

/// How a run ends.
#[derive(Debug, Clone)]
pub enum TurnEnd {
    /// The range is consumed.
    Commit(Commit),
    /// The turn runs again, over the same range, not before `not_before`.
    Retry {
        /// When.
        not_before: Timestamp,
        /// Why.
        failure: FailureNote,
    },
    /// The turn gives up and its inbounds are tried again one by one.
    Split {
        /// Why.
        failure: FailureNote,
    },
    /// The claim is given back: the process is stopping.
    Release,
}

/// What went wrong with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureNote {
    /// What.
    pub kind: ErrorKind,
    /// For people; no customer text.
    pub message: String,
    /// False when the provider is to blame.
    pub counts: bool,
    /// Of a retry: the provider has named the time, so nothing brings it forward.
    pub asked: bool,
}

/// What a turn leaves.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The end of every inbound of the range.
    pub verdict: Verdict,
    /// What to send; numbers are given by the store, ordinals go on behind what
    /// the turn's steps have said.
    pub outbound: Vec<OutboxRow>,
    /// What the agent keeps of the conversation; none leaves it as it is.
    pub state: Option<StoredState>,
    /// With a state: when the agent is to be woken by an inbound of content
    /// [`crate::Content::Wake`] if nobody says anything before; none: never. Without a
    /// state it stays as it was.
    pub wake_at: Option<Timestamp>,
    /// Waits to open. Those with a [`crate::Resume`] park the turn.
    pub waits: Vec<NewWait>,
    /// Waits that this turn has settled: reply waits whose answer it took, and
    /// open ones that nobody needs any more.
    pub settles: Vec<(WaitId, WaitState)>,
    /// What others may want to know.
    pub facts: Vec<Fact>,
}

impl Commit {
    /// The end of a range that leaves nothing but messages.
    pub fn of(verdict: Verdict, outbound: Vec<OutboxRow>) -> Self {
        Self {
            verdict,
            outbound,
            state: None,
            wake_at: None,
            waits: Vec::new(),
            settles: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// True when another turn will go on where this one waits.
    pub fn parks(&self) -> bool {
        self.waits.iter().any(|wait| wait.resume.is_some())
    }
}

/// The end of a turn's inbounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Answered by the outbound rows.
    Answered,
    /// No answer, and why.
    Silent(String),
    /// Turned away before anything was run, and why.
    Refused(String),
    /// Given up, and why. The outbound rows hold an apology, if any.
    Dead(FailureNote),
}

/// A row for the outbox.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// What to send.
    pub outbound: Outbound,
    /// [`DeliveryState::Sent`] where the commit is the delivery,
    /// [`DeliveryState::Sending`] when the committer sends it at once, else
    /// [`DeliveryState::Queued`].
    pub state: DeliveryState,
    /// For a row written as sending: when its attempt is in doubt.
    pub answer_by: Option<Timestamp>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// Written.
    Done {
        /// The numbers of the outbox rows, in order.
        numbers: Vec<Number>,
        /// When the conversation is due again, if something is pending.
        due_at: Option<Timestamp>,
        /// True when a human has the conversation: the rows were written as
        /// cancelled, nothing may be sent, and what was to be answered has ended as
        /// answered by the human.
        held: bool,
    },
    /// This very end was written before, and its answer was lost; nothing was
    /// written now.
    Already {
        /// The numbers of the outbox rows, in order.
        numbers: Vec<Number>,
        /// When the conversation is due again, if something is pending.
        due_at: Option<Timestamp>,
        /// True when a human has the conversation: the rows were written as
        /// cancelled, nothing may be sent, and what was to be answered has ended as
        /// answered by the human.
        held: bool,
    },
    /// The claim was lost; nothing was written.
    Stale,
    /// Somebody appended to the audit chain; nothing was written. Chain again.
    HeadMoved(AuditHead),
}
