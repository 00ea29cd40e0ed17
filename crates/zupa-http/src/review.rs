//! Reviews: what parked turns wait for an operator to decide. Shared by the
//! routes and the command line, so that both show and do the same.

mod decide;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zupa_core::{ConversationId, Desk, Result, TurnId, Wait, WaitId, WaitKind, WaitState};

pub use decide::{Settled, Verdict, decide};

/// The most waits that one listing looks through: those of other kinds stand
/// between the reviews.
const LOOKED_THROUGH: usize = 65_536;

/// What an operator is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// May this call be made?
    Approval,
    /// Did this call take place? Nobody knows.
    UnknownEffect,
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

/// A page of reviews, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reviews {
    /// Without their subjects.
    pub reviews: Vec<Review>,
    /// True when there are more than were asked for.
    pub more: bool,
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
}

/// Reads reviews, oldest first, at most `limit`; the open ones or all.
///
/// *Errors*: as [`Desk::waits`].
pub async fn reviews(desk: &dyn Desk, state: Option<WaitState>, limit: usize) -> Result<Reviews> {
    let mut looked = limit.saturating_add(1);
    loop {
        let waits = desk.waits(state, looked).await?;
        let mut reviews: Vec<_> = waits.iter().filter_map(Review::listed).collect();
        let all = waits.len() < looked || looked >= LOOKED_THROUGH;
        if all || reviews.len() > limit {
            let more = reviews.len() > limit || waits.len() >= looked;
            reviews.truncate(limit);
            return Ok(Reviews { reviews, more });
        }
        looked = looked.saturating_mul(8).min(LOOKED_THROUGH);
    }
}
