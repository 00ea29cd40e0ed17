//! Claiming a review over HTTP, and giving it back.
//!
//! What arrives: a wish, perhaps for the second time. On leaving with 200 it is durable
//! and in the audit. If the process dies here the sender has no answer and asks again.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use tracing::info;
use zupa_core::review::{self, Claiming, Review};

use super::Admin;
use super::acts::who;
use super::decision::{claimed, too_late};
use super::reviews::{parse, unknown};
use crate::body;
use crate::parts::Shared;
use crate::problem::Problem;

/// What has become of a claim, or of giving it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimDone {
    /// As it stands now, without its subject.
    #[serde(flatten)]
    pub review: Review,
    /// False when there was nothing to do.
    pub changed: bool,
}

/// `POST /api/v1/reviews/{id}/claim`.
///
/// A second one of the same operator changes nothing, under whichever key.
pub(crate) async fn claim(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ClaimDone>, Problem> {
    body::demand_json(request.headers())?;
    let id = parse(id)?;
    let act = who(&shared, request).await?;
    let desk = shared.desk.as_ref();
    let claiming = review::claim(desk, id, act.by.as_deref(), act.at, act.config).await;
    let done = done(claiming)?;
    if done.changed {
        info!(conversation.id = %done.review.conversation, wait.id = %id, "an operator has claimed a review");
    }
    Ok(Json(done))
}

/// `POST /api/v1/reviews/{id}/release`.
pub(crate) async fn release(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ClaimDone>, Problem> {
    body::demand_json(request.headers())?;
    let id = parse(id)?;
    let act = who(&shared, request).await?;
    let desk = shared.desk.as_ref();
    let claiming = review::release(desk, id, act.by.as_deref(), act.at, act.config).await;
    let done = done(claiming)?;
    if done.changed {
        info!(conversation.id = %done.review.conversation, wait.id = %id, "an operator has given a review back");
    }
    Ok(Json(done))
}

fn done(claiming: zupa_core::Result<Claiming>) -> Result<ClaimDone, Problem> {
    let of = |review: Box<Review>, changed| ClaimDone {
        review: *review,
        changed,
    };
    match claiming.map_err(|error| Problem::from_error(&error))? {
        Claiming::Done(review) => Ok(of(review, true)),
        Claiming::Unchanged(review) => Ok(of(review, false)),
        Claiming::Taken(review) => Err(claimed(&review)),
        Claiming::Over(review) => Err(too_late(&review)),
        Claiming::NotFound => Err(unknown()),
    }
}
