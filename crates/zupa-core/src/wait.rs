//! What a parked turn waits for, and timers that start a turn of their own.
//!
//! A turn that has to wait commits and is over; the wait keeps where to go on and
//! with which turn-local state. Whoever settles a wait (an operator, the person,
//! the time) writes that and, for what is not the person's own message, an
//! internal inbound in one transaction: the conversation's order, its dedupe and
//! its recovery are those of messages.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{ConversationId, TurnId, WaitId};
use crate::time::Timestamp;

/// What settles a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// The person's next message, which becomes the input of the turn that goes
    /// on. The newest open one takes it.
    Reply,
    /// An operator. No message of the person does.
    Decision,
    /// The time alone.
    Timer,
}

impl WaitKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Reply, Self::Decision, Self::Timer];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Decision => "decision",
            Self::Timer => "timer",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a wait stands. The first who settles it wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitState {
    /// Nothing has come yet.
    Open,
    /// The person answered or an operator decided.
    Decided,
    /// Its time came.
    Expired,
    /// Nobody needs it any more.
    Cancelled,
}

impl WaitState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Decided, Self::Expired, Self::Cancelled];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A wait for the commit to open.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewWait {
    /// A fresh id; the same at every try of the commit.
    pub id: WaitId,
    /// What settles it.
    pub kind: WaitKind,
    /// What a human is asked, as JSON. For [`WaitKind::Decision`] operators see
    /// it.
    pub subject: String,
    /// Turn-local state, or what a timer brings back, as JSON.
    pub payload: String,
    /// Where the parked turn goes on. Without it the wait belongs to no parked
    /// turn: a timer that starts a turn of its own.
    pub resume: Option<Resume>,
    /// When it settles by itself.
    pub expires_at: Option<Timestamp>,
}

/// Where a parked turn goes on, and under which graph it was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The node.
    pub node: String,
    /// Fingerprint of the graph.
    pub graph: Digest,
    /// Version of the turn-local state.
    pub state_version: u32,
}

/// A wait as it stands.
#[derive(Clone, PartialEq)]
pub struct Wait {
    /// What was opened.
    pub opened: NewWait,
    /// The turn that opened it.
    pub turn: TurnId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Where it stands.
    pub state: WaitState,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// What was decided, and by whom.
    pub decision: Option<Decision>,
    /// Who claimed it last; see [`Self::claimed`] for whether that still stands.
    pub claim: Option<WaitClaim>,
}

impl Wait {
    /// Who has it to themselves: nobody once it is settled or the claim is over.
    pub fn claimed(&self, now: Timestamp) -> Option<&WaitClaim> {
        let claim = self.claim.as_ref()?;
        (self.state == WaitState::Open && claim.until > now).then_some(claim)
    }

    /// Who has it to themselves, if that is somebody else.
    pub fn claimed_by_another(&self, name: &str, now: Timestamp) -> Option<&WaitClaim> {
        self.claimed(now).filter(|claim| claim.by != name)
    }
}

/// An operator's claim of a wait: until it is over nobody else decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitClaim {
    /// Who, as the operator calls themselves.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is over by itself.
    pub until: Timestamp,
}

/// What an operator does about the claim of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimAct {
    /// Takes it, for so long at most.
    Claim {
        /// Who.
        by: String,
        /// How long.
        time: Duration,
    },
    /// Gives it back.
    Release {
        /// Who.
        by: String,
    },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimActed {
    /// It is done.
    Done,
    /// There was nothing to do: it was theirs already, or nobody's.
    Unchanged,
    /// Somebody else has it.
    Claimed(WaitClaim),
    /// The wait is settled.
    Over(WaitState),
    /// Operators do not decide on this kind of wait.
    NotTheirs(WaitKind),
    /// There is no such wait.
    NotFound,
}

impl ClaimAct {
    /// Who acts.
    pub fn by(&self) -> &str {
        match self {
            Self::Claim { by, .. } | Self::Release { by } => by,
        }
    }

    /// The claim that the act leaves, where it changes something; else what became of it.
    pub fn on(
        &self,
        wait: &Wait,
        now: Timestamp,
    ) -> std::result::Result<Option<WaitClaim>, ClaimActed> {
        if wait.opened.kind != WaitKind::Decision {
            return Err(ClaimActed::NotTheirs(wait.opened.kind));
        }
        if wait.state != WaitState::Open {
            return Err(ClaimActed::Over(wait.state));
        }
        if let Some(claim) = wait.claimed_by_another(self.by(), now) {
            return Err(ClaimActed::Claimed(claim.clone()));
        }
        match (self, wait.claimed(now)) {
            (Self::Claim { by, time }, None) => Ok(Some(WaitClaim {
                by: by.clone(),
                since: now,
                until: now.plus(*time),
            })),
            (Self::Release { .. }, Some(_)) => Ok(None),
            (Self::Claim { .. }, Some(_)) | (Self::Release { .. }, None) => {
                Err(ClaimActed::Unchanged)
            }
        }
    }
}

/// What an operator decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub by: String,
    /// Yes or no.
    pub approved: bool,
    /// Why, or what the agent should know; may be empty.
    pub note: String,
}

impl std::fmt::Debug for NewWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewWait({}, {})", self.id, self.kind.as_str())
    }
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wait({}, {})", self.opened.id, self.state.as_str())
    }
}
