//! Reviews: what parked turns wait for an operator to decide, over a [`Desk`](crate::Desk).
//! Shared by the routes, the command line and the agent's commands, so that all show and
//! do the same.

mod claim;
mod decide;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ConversationId, TurnId, WaitId};
use crate::time::Timestamp;
use crate::wait::{Wait, WaitClaim, WaitKind, WaitState};

pub use claim::{CLAIM_TIME, Claiming, claim, release};
pub use decide::{MAX_NOTE_CHARS, Settled, Verdict, decide};

/// What an operator is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// May this call be made?
    Approval,
    /// Did this call take place? Nobody knows.
    UnknownEffect,
    /// A human is wanted: who approves has the conversation.
    Takeover,
    /// Something that a graph of one's own asks.
    Other,
}

/// A wait for an operator's decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Its id, which a decision names.
    pub id: WaitId,
    /// Whose turn it parks.
    pub conversation: ConversationId,
    /// The parked turn.
    pub turn: TurnId,
    /// What is asked.
    pub kind: Question,
    /// The tool that it is about, if it is about one.
    pub what: Option<String>,
    /// Where it stands.
    pub state: WaitState,
    /// When it was opened, as RFC 3339.
    pub since: String,
    /// When it settles by itself, as RFC 3339.
    pub until: Option<String>,
    /// When it was settled, as RFC 3339.
    pub settled_at: Option<String>,
    /// What was decided.
    pub decision: Option<Decided>,
    /// Who has it to themselves for now.
    #[serde(default)]
    pub claim: Option<Claimed>,
    /// What is asked about, the arguments of the call among it: may hold what
    /// a person said, so lists go without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Value>,
}

/// Who has a review to themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Who, as they call themselves.
    pub by: String,
    /// Since when, as RFC 3339.
    pub since: String,
    /// When it is over by itself, as RFC 3339.
    pub until: String,
}

/// What an operator decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Who.
    pub by: String,
    /// Yes or no.
    pub approved: bool,
    /// Why; only where the subject is shown, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl From<&WaitClaim> for Claimed {
    fn from(claim: &WaitClaim) -> Self {
        Self {
            by: claim.by.clone(),
            since: claim.since.to_string(),
            until: claim.until.to_string(),
        }
    }
}

impl Question {
    /// Every question.
    pub const ALL: [Self; 4] = [
        Self::Approval,
        Self::UnknownEffect,
        Self::Takeover,
        Self::Other,
    ];

    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::UnknownEffect => "unknown_effect",
            Self::Takeover => "takeover",
            Self::Other => "other",
        }
    }

    /// Reads the word for it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Review {
    /// The review that a wait is at this time, as a list shows it; none for a wait of
    /// another kind.
    pub fn listed(wait: &Wait, now: Timestamp) -> Option<Self> {
        Self::whole(wait, now).map(|whole| Self {
            subject: None,
            decision: whole.decision.map(|decision| Decided {
                note: None,
                ..decision
            }),
            ..whole
        })
    }

    /// The same with all that is needed to decide.
    pub fn whole(wait: &Wait, now: Timestamp) -> Option<Self> {
        if wait.opened.kind != WaitKind::Decision {
            return None;
        }
        let subject: Value = serde_json::from_str(&wait.opened.subject).unwrap_or_default();
        let named = |key: &str| subject.get(key).and_then(Value::as_str).map(str::to_owned);
        let (kind, what) = match (named("approve"), named("review").as_deref()) {
            (Some(tool), _) => (Question::Approval, Some(tool)),
            (None, Some("unknown_effect")) => (Question::UnknownEffect, named("tool")),
            (None, Some("takeover")) => (Question::Takeover, None),
            (None, review) => (Question::Other, review.map(str::to_owned)),
        };
        Some(Self {
            id: wait.opened.id,
            conversation: wait.conversation,
            turn: wait.turn,
            kind,
            what,
            state: wait.state,
            since: wait.opened_at.to_string(),
            until: wait.opened.expires_at.map(|at| at.to_string()),
            settled_at: wait.settled_at.map(|at| at.to_string()),
            decision: wait.decision.as_ref().map(|decision| Decided {
                by: decision.by.clone(),
                approved: decision.approved,
                note: Some(decision.note.clone()),
            }),
            claim: wait.claimed(now).map(Claimed::from),
            subject: Some(subject),
        })
    }

    /// The same, with the claim that the store has found: by another clock it may be over
    /// already.
    fn claimed(self: Box<Self>, claim: &WaitClaim) -> Box<Self> {
        Box::new(Self {
            claim: Some(claim.into()),
            ..*self
        })
    }

    /// True when an operator has taken the conversation over by it.
    pub fn took_over(&self) -> bool {
        let approved = self.decision.as_ref().is_some_and(|made| made.approved);
        self.kind == Question::Takeover && approved
    }

    /// What it is about, for the audit, which holds no customer text.
    fn named(&self) -> String {
        let what = match (self.kind, self.what.as_deref()) {
            (_, Some(what)) => what,
            (Question::Takeover, None) => "a takeover",
            _ => "a question",
        };
        format!("{what}, review {}", self.id)
    }
}
