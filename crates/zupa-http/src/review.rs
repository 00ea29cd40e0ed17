//! Reviews: what parked turns wait for an operator to decide. Shared by the
//! routes and the command line, so that both show and do the same.

mod decide;
mod page;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zupa_core::{ConversationId, TurnId, Wait, WaitId, WaitKind, WaitState};

pub use decide::{Settled, Verdict, decide};
pub use page::{Listed, Patience, Reviews, Wanted, reviews};

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
    /// What is asked about, the arguments of the call among it: may hold what
    /// a person said, so lists go without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Value>,
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
    /// The review that a wait is, as a list shows it; none for a wait of
    /// another kind.
    pub fn listed(wait: &Wait) -> Option<Self> {
        Self::whole(wait).map(|whole| Self {
            subject: None,
            decision: whole.decision.map(|decision| Decided {
                note: None,
                ..decision
            }),
            ..whole
        })
    }

    /// The same with all that is needed to decide.
    pub fn whole(wait: &Wait) -> Option<Self> {
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
            subject: Some(subject),
        })
    }

    /// True when an operator has taken the conversation over by it.
    pub(crate) fn took_over(&self) -> bool {
        let approved = self.decision.as_ref().is_some_and(|made| made.approved);
        self.kind == Question::Takeover && approved
    }
}
