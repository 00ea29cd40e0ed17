//! Deciding a review over HTTP.
//!
//! What arrives: a verdict, perhaps for the second time. On leaving with 200 that
//! verdict is durable and in the audit, once. If the process dies here the sender
//! has no answer and asks again; the first verdict stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tracing::info;
use zupa_core::Nudge;
use zupa_core::review::{self, Review, Settled, Verdict};

use super::Admin;
use super::reviews::{parse, unknown};
use crate::body;
use crate::fields::{self, MAX_FAULTS, fault};
use crate::parts::Shared;
use crate::problem::Problem;

/// The largest body: a note of 2,000 characters, however escaped.
const BODY_BYTES: usize = 64 * 1024;

/// What a decision looks like.
const FORM: &str = "{ \"approved\", \"note\"?, \"by\"? }";

/// `POST /api/v1/reviews/{id}/decision`.
///
/// The first decision counts. The same again answers the same, under whichever key.
pub(crate) async fn decide(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Review>, Problem> {
    body::demand_json(request.headers())?;
    let id = parse(id)?;
    let verdict = verdict(&body::read(request, BODY_BYTES).await?)?;
    let at = shared.clock.wall();
    let settled = review::decide(shared.desk.as_ref(), id, verdict, at, shared.config)
        .await
        .map_err(|error| Problem::from_error(&error))?;
    match settled {
        Settled::Now { review, due } => {
            info!(conversation.id = %review.conversation, wait.id = %id, "took a decision");
            if review.took_over() {
                shared.wakeup.wake(Nudge::Held(review.conversation));
            }
            if let Some(conversation) = due {
                shared.wakeup.wake(Nudge::Due(conversation));
            }
            Ok(Json(*review))
        }
        Settled::Before(review) => Ok(Json(*review)),
        Settled::Otherwise(review) => Err(too_late(&review)),
        Settled::Claimed(review) => Err(claimed(&review)),
        Settled::NotFound => Err(unknown()),
    }
}

/// Parses a decision; all faults at once.
fn verdict(body: &str) -> Result<Verdict, Problem> {
    let (mut approved, mut note, mut by) = (None, None, None);
    let (mut seen, mut faults) = (Vec::new(), Vec::new());
    for (name, value) in fields::read(body, FORM)? {
        match (name.as_str(), value) {
            (name, _) if seen.iter().any(|seen| seen == name) => {
                faults.push(fault(name, "duplicate_field", "this field is there twice"));
            }
            ("approved", Value::Bool(given)) => approved = Some(given),
            ("note" | "by", Value::Null) => {}
            ("note", Value::String(given)) => note = Some(given),
            ("by", Value::String(given)) => by = Some(given),
            ("approved", _) => faults.push(fault(&name, "wrong_type", "true or false")),
            ("note" | "by", _) => {
                faults.push(fault(&name, "wrong_type", "this field is a string"));
            }
            _ => faults.push(fault(&name, "unknown_field", &format!("known: {FORM}"))),
        }
        seen.push(name);
    }
    if !seen.iter().any(|name| name == "approved") {
        faults.push(fault("approved", "missing_field", "true or false"));
    }
    let (Some(approved), true) = (approved, faults.is_empty()) else {
        let detail = format!("the body is not a decision: {FORM}");
        faults.truncate(MAX_FAULTS);
        return Err(
            Problem::new(StatusCode::BAD_REQUEST, "invalid_body", detail).with_errors(faults),
        );
    };
    let verdict = Verdict {
        approved,
        note: note.unwrap_or_default(),
        by,
    };
    let wrong: Vec<_> = verdict
        .faults()
        .iter()
        .map(|(name, code, detail)| fault(name, code, detail))
        .collect();
    if wrong.is_empty() {
        return Ok(verdict);
    }
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_decision",
        "the decision cannot be taken",
    )
    .with_errors(wrong))
}

/// Somebody else has it, or had when this came.
pub(super) fn claimed(review: &Review) -> Problem {
    let detail = match &review.claim {
        Some(claim) => format!(
            "{} has claimed it at {}, until {}",
            claim.by, claim.since, claim.until
        ),
        None => "somebody else had claimed it; ask again".to_owned(),
    };
    Problem::new(StatusCode::CONFLICT, "review_claimed", detail).with("review", json!(review))
}

pub(super) fn too_late(review: &Review) -> Problem {
    let (code, detail) = match (&review.decision, review.state) {
        (Some(decision), _) => (
            "already_decided",
            format!(
                "{} has {} it; the first decision counts",
                decision.by,
                if decision.approved {
                    "approved"
                } else {
                    "rejected"
                },
            ),
        ),
        (None, state) => (
            "review_over",
            format!(
                "the review is {}: nobody can decide it any more",
                state.as_str()
            ),
        ),
    };
    Problem::new(StatusCode::CONFLICT, code, detail).with("review", json!(review))
}
