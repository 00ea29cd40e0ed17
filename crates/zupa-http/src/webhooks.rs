//! `GET` and `POST /webhooks/{channel}`: what platforms post to the doors.
//!
//! What arrives: anything. On leaving with 200 all that the door found in it is durable,
//! for the first time or already. If the process dies here the platform has no answer and
//! posts again; the ids of the messages decide.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use tracing::warn;
use zupa_core::bus::{Draft, names};
use zupa_core::webhook::{Opened, Webhook};
use zupa_core::{Correlation, Delivered, ErrorKind, Result as Answer};

use crate::body;
use crate::envelope::RequestId;
use crate::parts::Shared;
use crate::problem::Problem;

/// Answers a platform that asks whether this is the place.
pub(crate) async fn greet(
    State(shared): State<Arc<Shared>>,
    Path(channel): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<String, Problem> {
    let door = door(&shared, &channel)?;
    door.greet(&query).map_err(|error| match error.kind() {
        ErrorKind::Unauthorized => Problem::new(
            StatusCode::FORBIDDEN,
            "wrong_verify_token",
            "the question does not come from whoever knows the verify token",
        ),
        _ => Problem::from_error(&error),
    })
}

/// Takes in what a platform posts.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Path(channel): Path<String>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let door = door(&shared, &channel)?;
    let headers = request.headers().clone();
    let body = body::read_bytes(request, door.max_bytes()).await?;
    let Opened { mut batch, skipped } = open(&shared, door.as_ref(), &headers, &body)?;
    for (reason, items) in skipped {
        let told = Draft::of(names::WEBHOOK_SKIPPED)
            .with("reason", reason)
            .with("items", items);
        shared.bus.emit(told);
    }
    if batch.inbounds.is_empty() && batch.receipts.is_empty() {
        return Ok(StatusCode::OK);
    }
    for inbound in &mut batch.inbounds {
        inbound.correlation = Correlation {
            request_id: Some(request_id.0.to_string()),
            trace_id: None,
        };
    }
    let answers = shared.intake.deliver(batch).await;
    let answers = answers.map_err(|error| Problem::from_error(&error))?;
    all_durable(answers).map(|()| StatusCode::OK)
}

fn door(shared: &Shared, channel: &str) -> Result<Arc<dyn Webhook>, Problem> {
    shared
        .webhooks
        .iter()
        .find(|door| door.channel().as_str() == channel)
        .cloned()
        .ok_or_else(|| Problem::not_found("there is nothing at this path"))
}

fn open(
    shared: &Shared,
    door: &dyn Webhook,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Opened, Problem> {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    door.open(&headers, body).map_err(|error| {
        if error.kind() != ErrorKind::Unauthorized {
            return Problem::from_error(&error);
        }
        shared.bus.emit(Draft::of(names::WEBHOOK_REFUSED));
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "invalid_signature",
            "the signature is not that of the platform over this body",
        )
    })
}

/// A message that the store may take later is asked for again, with all the others of its
/// request; one that it never takes must not keep them from being acknowledged.
fn all_durable(answers: Vec<Answer<Delivered>>) -> Result<(), Problem> {
    for error in answers.into_iter().filter_map(Answer::err) {
        if error.is_transient() || error.said_outcome() == Some(zupa_core::Outcome::Unknown) {
            return Err(Problem::from_error(&error));
        }
        warn!(%error, "a message of a webhook cannot be taken");
    }
    Ok(())
}
