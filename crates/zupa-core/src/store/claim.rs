//! Stops 2 and 3, `claim` and `turn`: taking a conversation's pending inbounds,
//! and recording what effects gave back.

use super::finish::OutboxRow;
use crate::audit::AuditHead;
use crate::id::{Address, ConversationId, Epoch, Number, ProcessId, TenantId, TurnId};
use crate::inbound::Correlation;
use crate::time::Timestamp;
use crate::tool::EffectClass;
use crate::turn::{Claimed, Step, StoredState};
use crate::wait::Wait;

/// A conversation with something to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub conversation: ConversationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Since when, or from when on.
    pub at: Timestamp,
}

/// How a turn is to run. Written with the claim, so that the next start knows
/// what was going on at the death.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimMode {
    /// Among others.
    #[default]
    Normal,
    /// One suspect at a time, beside the new work.
    Suspect,
    /// Nothing beside it. Three deaths like this are proof.
    Alone,
}

/// A wish to take what a conversation has pending.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose inbounds.
    pub conversation: ConversationId,
    /// A fresh turn; kept only if no turn is open.
    pub turn: TurnId,
    /// Who asks.
    pub process: ProcessId,
    /// When the claim ends if it is not renewed.
    pub expires_at: Timestamp,
    /// How the turn will run.
    pub mode: ClaimMode,
    /// The newest version of a conversation's state that the claimer can load.
    pub loads: u32,
}

/// What became of the wish.
#[derive(Debug, Clone)]
pub enum ClaimOutcome {
    /// Taken.
    Taken(Box<ClaimedTurn>),
    /// Not due before this.
    NotYet(Timestamp),
    /// Somebody else is on it, at the longest until this.
    Held(Timestamp),
    /// The open turn is suspected of deaths: ask again when it can run in this
    /// mode. Nothing was written but the suspicion.
    Suspected(ClaimMode),
    /// The conversation's state is of a newer version than the claimer can load.
    /// Nothing was written: somebody newer takes it.
    Newer,
    /// A human has the conversation. Nothing was written.
    Paused,
    /// Nothing is pending.
    Nothing,
}

/// A turn in the hands of its claimer.
#[derive(Debug, Clone)]
pub struct ClaimedTurn {
    /// The turn; the same at every run over the same range.
    pub turn: TurnId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Where the conversation is reached.
    pub address: Address,
    /// Fences every write of this run.
    pub epoch: Epoch,
    /// Starts of this turn, this one included.
    pub runs: u32,
    /// Failures so far that counted.
    pub failures: u32,
    /// Consecutive failures of the provider, which do not count.
    pub provider_failures: u32,
    /// The inbounds, in order. Never empty.
    pub inbounds: Vec<Claimed>,
    /// What earlier runs recorded, in the order of their ordinals.
    pub steps: Vec<Step>,
    /// Outbox rows that earlier runs of this turn have written with their steps.
    pub said: u32,
    /// What the agent keeps of the conversation, as the last commit left it.
    pub state: Option<StoredState>,
    /// For a settled wait: it, and the others of its parked turn. For messages of
    /// the person: the reply waits that were open when the first of them came,
    /// newest first.
    pub waits: Vec<Wait>,
    /// The end of the conversation's audit chain.
    pub audit: AuditHead,
    /// True when a delivery of the conversation is not settled yet, so a new
    /// one has to wait its turn.
    pub outbox_busy: bool,
    /// Of the first inbound.
    pub correlation: Correlation,
}

/// An intent or a result to record.
#[derive(Debug, Clone)]
pub struct Record {
    /// Whose.
    pub turn: TurnId,
    /// The turn's conversation.
    pub conversation: ConversationId,
    /// The claim it was made under.
    pub epoch: Epoch,
    /// The run that made it.
    pub run: u32,
    /// The intent or result. A result that is already there, the same, is not
    /// written again, nor is what goes with it.
    pub step: Step,
    /// Outbox rows that appear with the step; always side messages.
    pub say: Vec<OutboxRow>,
}

impl Record {
    /// What somebody outside may be told about, or feel, after it is answered.
    pub fn must_be_flushed(&self) -> bool {
        self.step.class != EffectClass::Pure || !self.say.is_empty()
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Written.
    Written,
    /// The claim was lost; nothing was written.
    Stale,
}

/// A sign of life for a claim.
#[derive(Debug, Clone)]
pub struct Renew {
    /// Whose claim.
    pub conversation: ConversationId,
    /// The turn that runs under it.
    pub turn: TurnId,
    /// The claim.
    pub epoch: Epoch,
    /// Its new end.
    pub expires_at: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// The claim holds until its new end.
    Held,
    /// The claim was lost: nothing that its run writes will be taken.
    Lost,
}

impl ClaimedTurn {
    /// The first number of the range.
    pub fn first(&self) -> Number {
        self.inbounds
            .first()
            .map(|inbound| inbound.number)
            .unwrap_or_default()
    }

    /// The last number of the range.
    pub fn last(&self) -> Number {
        self.inbounds
            .last()
            .map(|inbound| inbound.number)
            .unwrap_or_default()
    }
}
