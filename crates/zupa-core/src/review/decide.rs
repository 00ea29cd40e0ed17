//! Deciding: the first decision counts, the same one again is no news, another
//! one is told who was first.

use super::claim::{self, Claiming};
use super::{Question, Review};
use crate::audit::AuditEntry;
use crate::desk::{Decided, Desk, Holding, NewHold};
use crate::digest::Digest;
use crate::error::Result;
use crate::hold::HoldKind;
use crate::id::{ConversationId, WaitId};
use crate::operator::{self, OPERATOR};
use crate::time::Timestamp;
use crate::wait::{Decision, WaitState};

/// Longest note, in characters: it goes into the model's prompt.
pub const MAX_NOTE_CHARS: usize = 2_000;

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
    /// Somebody else has claimed it, and may decide alone for now.
    Claimed(Box<Review>),
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
        faults.extend(operator::faults(self.by.as_deref()));
        faults
    }

    fn name(&self) -> &str {
        self.by.as_deref().unwrap_or(OPERATOR)
    }
}

/// Decides a review as of `at`, and says so in the audit, under the
/// configuration in force. Who approves a takeover claims the review, so that nobody else
/// decides it, and has the conversation before the review is settled: the agent does not
/// answer in between.
///
/// *Behaviour*: idempotent: the same verdict again, or one without a note, changes
/// nothing and is no conflict.
/// *Errors*: as [`Desk::decide`], [`Desk::claim_wait`] and [`Desk::hold`].
/// *Cancel safety*: decided or not, and a conversation is taken without its review at
/// worst, which is claimed then; ask again.
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
    let Some(review) = Review::whole(&wait, at) else {
        return Ok(Settled::NotFound);
    };
    if wait.state != WaitState::Open {
        return Ok(settled_before(review, &verdict));
    }
    let takes = review.kind == Question::Takeover && verdict.approved;
    if takes {
        // The store says who may before anything of the conversation is cancelled.
        match claim::claim(desk, id, verdict.by.as_deref(), at, config).await? {
            Claiming::Done(_) | Claiming::Unchanged(_) => {}
            Claiming::Taken(review) => return Ok(Settled::Claimed(review)),
            Claiming::Over(_) => {
                let now = desk.wait(id).await?;
                let now = now.as_ref().and_then(|now| Review::whole(now, at));
                return Ok(settled_before(now.unwrap_or(review), &verdict));
            }
            Claiming::NotFound => return Ok(Settled::NotFound),
        }
    }
    let conversation = review.conversation;
    let by = verdict.by.as_deref();
    let act = |action, what| operator::entry(by, action, what, (at, config));
    let taken = match takes {
        true => {
            let hold = NewHold {
                kind: HoldKind::Operator,
                by: verdict.name().to_owned(),
                human_at: None,
            };
            let held = desk.hold(conversation, hold, act("conversation.held", None));
            held.await? == Holding::Done
        }
        false => false,
    };
    let action = match verdict.approved {
        true => "review.approved",
        false => "review.rejected",
    };
    let entry = AuditEntry {
        turn: Some(wait.turn),
        ..act(action, Some(review.named()))
    };
    let decision = Decision {
        by: verdict.name().to_owned(),
        approved: verdict.approved,
        note: verdict.note.clone(),
    };
    let decided = desk.decide(id, decision, entry).await?;
    let now = desk.wait(id).await?;
    let now = now.as_ref().and_then(|now| Review::whole(now, at));
    let review = now.unwrap_or(review);
    let settled = match decided {
        Decided::Done {
            conversation,
            due_at,
        } => Settled::Now {
            review: Box::new(review),
            due: due_at.map(|_| conversation),
        },
        Decided::Already(_) => settled_before(review, &verdict),
        Decided::Claimed(claim) => Settled::Claimed(Box::new(review).claimed(&claim)),
        Decided::NotTheirs(_) | Decided::NotFound => Settled::NotFound,
    };
    // Somebody else was first and said no: then nothing has changed. If they said yes
    // they have the conversation, by this very hold perhaps.
    let lost = match &settled {
        Settled::Otherwise(review) | Settled::Claimed(review) => !review.took_over(),
        Settled::NotFound => true,
        Settled::Now { .. } | Settled::Before(_) => false,
    };
    if lost && taken {
        let released = act("conversation.released", None);
        desk.release(conversation, None, released).await?;
    }
    Ok(settled)
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
