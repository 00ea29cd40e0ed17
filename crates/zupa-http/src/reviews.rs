//! Listing reviews: of one kind or state, a page at a time, each with its age, those
//! that wait too long marked.
//!
//! [`Desk::waits`] gives the oldest waits of a state and knows neither kinds nor
//! places, so pages are cut here, out of what it gives.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zupa_core::review::{Question, Review};
use zupa_core::{Desk, Error, ErrorKind, Result, Timestamp, Wait, WaitId, WaitState};

/// The most waits that one listing looks through: those of other kinds stand
/// between the reviews.
const LOOKED_THROUGH: usize = 65_536;

/// Which reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// In this state; none takes all.
    pub state: Option<WaitState>,
    /// That ask this; none takes all.
    pub kind: Option<Question>,
    /// Behind this one; none begins with the oldest.
    pub after: Option<WaitId>,
    /// At most so many.
    pub limit: usize,
}

/// What makes a review late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The time now.
    pub now: Timestamp,
    /// How long a review may be open.
    pub overdue_after: Duration,
}

/// A page of reviews, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reviews {
    /// Without their subjects.
    pub reviews: Vec<Listed>,
    /// How many of these are overdue.
    pub overdue: usize,
    /// True when there are more than were asked for.
    pub more: bool,
    /// What the next page begins behind, if there is one.
    pub next: Option<WaitId>,
}

/// A review in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Without its subject and the note.
    #[serde(flatten)]
    pub review: Review,
    /// How long it has been open, in seconds, or was.
    pub age_seconds: u64,
    /// When it settles by itself, in seconds from now; none if it never does, or
    /// does not any more.
    pub expires_in_seconds: Option<u64>,
    /// True for an open one that waits longer than it should.
    pub overdue: bool,
}

/// Reads a page of reviews.
///
/// *Errors*: as [`Desk::waits`]; [`ErrorKind::NotFound`] if `wanted.after` names
/// nothing that is listed.
/// *Cancel safety*: safe.
pub async fn reviews(desk: &dyn Desk, wanted: Wanted, patience: Patience) -> Result<Reviews> {
    let mut looked = wanted.limit.saturating_add(1);
    loop {
        let waits = desk.waits(wanted.state, looked).await?;
        let is_all = waits.len() < looked || looked >= LOOKED_THROUGH;
        let page = match behind(&waits, wanted.after) {
            Some(rest) => page(rest, wanted, patience, waits.len() >= looked),
            None if is_all => return past_a_settled_one(desk, wanted, patience).await,
            None => Reviews::empty(),
        };
        if is_all || page.next.is_some() {
            return Ok(page);
        }
        looked = looked.saturating_mul(8).min(LOOKED_THROUGH);
    }
}

/// The last one of the page before may have been settled since, and so have left the
/// list that it stood in.
async fn past_a_settled_one(
    desk: &dyn Desk,
    wanted: Wanted,
    patience: Patience,
) -> Result<Reviews> {
    let waits = desk.waits(None, LOOKED_THROUGH).await?;
    let rest = behind(&waits, wanted.after).ok_or_else(|| {
        let after = wanted.after.map(|id| id.to_string()).unwrap_or_default();
        Error::new(ErrorKind::NotFound, "no review to go on behind").with("after", after)
    })?;
    Ok(page(rest, wanted, patience, waits.len() >= LOOKED_THROUGH))
}

/// Those behind the named one; none if it is not there.
fn behind(waits: &[Wait], after: Option<WaitId>) -> Option<&[Wait]> {
    let Some(after) = after else {
        return Some(waits);
    };
    let place = waits.iter().position(|wait| wait.opened.id == after)?;
    waits.get(place + 1..)
}

/// `unseen`: there may be others behind these.
fn page(waits: &[Wait], wanted: Wanted, patience: Patience, unseen: bool) -> Reviews {
    let fits = |wait: &&Wait| wanted.state.is_none_or(|state| state == wait.state);
    let listed = waits.iter().filter(fits).filter_map(|wait| {
        let review = Review::listed(wait, patience.now)?;
        let fits = wanted.kind.is_none_or(|kind| kind == review.kind);
        fits.then(|| Listed::new(review, wait, patience))
    });
    let mut reviews: Vec<_> = listed.take(wanted.limit.saturating_add(1)).collect();
    let is_cut = reviews.len() > wanted.limit;
    reviews.truncate(wanted.limit);
    let last = reviews.last().map(|listed| listed.review.id);
    Reviews {
        overdue: reviews.iter().filter(|listed| listed.overdue).count(),
        more: is_cut || unseen,
        next: last.filter(|_| is_cut),
        reviews,
    }
}

impl Reviews {
    fn empty() -> Self {
        Self {
            reviews: Vec::new(),
            overdue: 0,
            more: false,
            next: None,
        }
    }
}

impl Listed {
    fn new(review: Review, wait: &Wait, patience: Patience) -> Self {
        let is_open = wait.state == WaitState::Open;
        let until = wait.settled_at.unwrap_or(patience.now);
        let age = until.since(wait.opened_at);
        let expires_at = wait.opened.expires_at.filter(|_| is_open);
        Self {
            review,
            age_seconds: age.as_secs(),
            expires_in_seconds: expires_at.map(|at| at.since(patience.now).as_secs()),
            overdue: is_open && age > patience.overdue_after,
        }
    }
}
