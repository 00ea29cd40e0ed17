//! Claiming: one operator has a review to themselves for a while, so that two do not
//! work on one case. Who decides without a claim needs none.

use std::time::Duration;

use super::Review;
use crate::audit::AuditEntry;
use crate::desk::Desk;
use crate::digest::Digest;
use crate::error::Result;
use crate::id::WaitId;
use crate::operator::{self, OPERATOR};
use crate::time::Timestamp;
use crate::wait::{ClaimAct, ClaimActed};

/// How long a claim stands.
pub const CLAIM_TIME: Duration = Duration::from_secs(15 * 60);

/// What became of a claim, or of giving it back.
#[derive(Debug, Clone, PartialEq)]
pub enum Claiming {
    /// It is done.
    Done(Box<Review>),
    /// There was nothing to do: it was theirs already, or nobody's.
    Unchanged(Box<Review>),
    /// Somebody else has it.
    Taken(Box<Review>),
    /// The review is over.
    Over(Box<Review>),
    /// There is no such review.
    NotFound,
}

/// Claims a review as of `at` for [`CLAIM_TIME`], for whoever calls themselves so, and
/// says so in the audit. Nobody else can claim or decide it until it is given back,
/// decided, or its time is over. A second claim of the same operator lengthens nothing.
///
/// *Errors*: as [`Desk::claim_wait`].
/// *Cancel safety*: claimed or not; ask again.
pub async fn claim(
    desk: &dyn Desk,
    id: WaitId,
    by: Option<&str>,
    at: Timestamp,
    config: Digest,
) -> Result<Claiming> {
    let act = ClaimAct::Claim {
        by: by.unwrap_or(OPERATOR).to_owned(),
        time: CLAIM_TIME,
    };
    put(desk, id, act, ("review.claimed", by, at, config)).await
}

/// Gives a review back as of `at`, so that anybody can claim or decide it.
///
/// *Errors*: as [`Desk::claim_wait`].
/// *Cancel safety*: given back or not; ask again.
pub async fn release(
    desk: &dyn Desk,
    id: WaitId,
    by: Option<&str>,
    at: Timestamp,
    config: Digest,
) -> Result<Claiming> {
    let act = ClaimAct::Release {
        by: by.unwrap_or(OPERATOR).to_owned(),
    };
    put(desk, id, act, ("review.released", by, at, config)).await
}

async fn put(
    desk: &dyn Desk,
    id: WaitId,
    act: ClaimAct,
    (action, by, at, config): (&str, Option<&str>, Timestamp, Digest),
) -> Result<Claiming> {
    let Some(wait) = desk.wait(id).await? else {
        return Ok(Claiming::NotFound);
    };
    let Some(review) = Review::whole(&wait, at) else {
        return Ok(Claiming::NotFound);
    };
    let entry = AuditEntry {
        turn: Some(wait.turn),
        ..operator::entry(by, action, Some(review.named()), (at, config))
    };
    let acted = desk.claim_wait(id, act, entry).await?;
    let now = desk.wait(id).await?;
    let now = now.as_ref().and_then(|now| Review::listed(now, at));
    let review = Box::new(now.unwrap_or(review));
    Ok(match acted {
        ClaimActed::Done => Claiming::Done(review),
        ClaimActed::Unchanged => Claiming::Unchanged(review),
        ClaimActed::Claimed(claim) => Claiming::Taken(review.claimed(&claim)),
        ClaimActed::Over(_) => Claiming::Over(review),
        ClaimActed::NotTheirs(_) | ClaimActed::NotFound => Claiming::NotFound,
    })
}
