//! Deciding: the first decision counts, the same one again is no news, another
//! one is told who was first.

use zupa_core::desk::Decided;
use zupa_core::{
    AuditEntry, ConversationId, Decision, Desk, Digest, Result, Timestamp, WaitId, WaitState,
};

use super::Review;

/// Who acts, for the audit, as long as there is one token without a name.
const OPERATOR: &str = "operator";

/// Whose names a decision cannot have: these decide by themselves.
const RESERVED: [&str; 4] = ["agent", "nobody", "person", "runtime"];

/// Longest note, in characters: it goes into the model's prompt.
const MAX_NOTE_CHARS: usize = 2_000;

/// Longest name of whoever decides, in characters.
const MAX_BY_CHARS: usize = 255;

/// What an operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Yes or no.
    pub approved: bool,
    /// Why, or what the agent should know; may be empty.
    pub note: String,
    /// Who, as they call themselves; nobody checks it.
    pub by: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It counts; the conversation is due if no other wait of the turn is open.
    Now {
        /// As it stands now.
        review: Box<Review>,
        /// The conversation that can go on.
        due: Option<ConversationId>,
    },
    /// The same was decided before.
    Before(Box<Review>),
    /// Something else was decided before, or the review is over undecided.
    Otherwise(Box<Review>),
    /// There is no such review.
    NotFound,
}

impl Verdict {
    /// What is wrong with it: field, code, and a sentence for people.
    pub fn faults(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut faults = Vec::new();
        if self.note.chars().count() > MAX_NOTE_CHARS {
            let detail = format!("a note has at most {MAX_NOTE_CHARS} characters");
            faults.push(("note", "too_long", detail));
        }
        // Postgres cannot keep it, and SQLite's text functions end at it.
        if self.note.contains('\0') {
            faults.push(("note", "control_character", "a note has no U+0000".into()));
        }
        let Some(by) = &self.by else {
            return faults;
        };
        if by.trim().is_empty() {
            faults.push(("by", "empty", "leave it away, or give a name".into()));
        } else if by.chars().count() > MAX_BY_CHARS {
            let detail = format!("a name has at most {MAX_BY_CHARS} characters");
            faults.push(("by", "too_long", detail));
        } else if by.chars().any(char::is_control) {
            let detail = "a name has no control characters".into();
            faults.push(("by", "control_character", detail));
        } else if RESERVED.contains(&by.trim().to_lowercase().as_str()) {
            let detail = "this name stands for who decides by itself".into();
            faults.push(("by", "reserved", detail));
        }
        faults
    }
}

/// Decides a review as of `at`, and says so in the audit, under the
/// configuration in force.
///
/// *Behaviour*: idempotent: the same verdict again, or one without a note, changes
/// nothing and is no conflict.
/// *Errors*: as [`Desk::decide`].
/// *Cancel safety*: decided or not; ask again.
pub async fn decide(
    desk: &dyn Desk,
    id: WaitId,
    verdict: Verdict,
    at: Timestamp,
    config: Digest,
) -> Result<Settled> {
    let Some(wait) = desk.wait(id).await? else {
        return Ok(Settled::NotFound);
    };
    let Some(review) = Review::whole(&wait) else {
        return Ok(Settled::NotFound);
    };
    if wait.state != WaitState::Open {
        return Ok(settled_before(review, &verdict));
    }
    let entry = AuditEntry {
        at,
        actor: OPERATOR.to_owned(),
        action: match verdict.approved {
            true => "review.approved".to_owned(),
            false => "review.rejected".to_owned(),
        },
        reason: reason(&review, &verdict),
        turn: Some(wait.turn),
        config,
        commitment: None,
    };
    let decision = Decision {
        by: verdict.by.clone().unwrap_or_else(|| OPERATOR.to_owned()),
        approved: verdict.approved,
        note: verdict.note.clone(),
    };
    let decided = desk.decide(id, decision, entry).await?;
    let now = desk.wait(id).await?;
    let review = now.as_ref().and_then(Review::whole).unwrap_or(review);
    Ok(match decided {
        Decided::Done {
            conversation,
            due_at,
        } => Settled::Now {
            review: Box::new(review),
            due: due_at.map(|_| conversation),
        },
        Decided::Already(_) => settled_before(review, &verdict),
        Decided::NotTheirs(_) | Decided::NotFound => Settled::NotFound,
    })
}

/// A note that came too late must not seem to have been taken.
fn settled_before(review: Review, verdict: &Verdict) -> Settled {
    let same = review.decision.as_ref().is_some_and(|decision| {
        decision.approved == verdict.approved
            && (verdict.note.is_empty() || decision.note.as_deref() == Some(&verdict.note))
    });
    match same {
        true => Settled::Before(Box::new(review)),
        false => Settled::Otherwise(Box::new(review)),
    }
}

/// For the audit, which holds no customer text: a note may, a name does not.
fn reason(review: &Review, verdict: &Verdict) -> String {
    let what = review.what.as_deref().unwrap_or("a question");
    match &verdict.by {
        Some(by) => format!("{what}, review {}, by {by}", review.id),
        None => format!("{what}, review {}", review.id),
    }
}
