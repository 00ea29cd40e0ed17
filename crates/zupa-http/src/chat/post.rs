//! `POST /chat/{conversation}/messages`.
//!
//! What arrives: anything. On leaving with 202 the message is durable, for the
//! first time or already. If the process dies here the sender has no answer
//! and sends again; the id it gave decides.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;
use zupa_core::{Content, Correlation, Delivered, EventId, Inbound, IntakeBatch};

use super::{Door, message};
use crate::body;
use crate::envelope::RequestId;
use crate::parts::Shared;
use crate::problem::{Fault, Problem};

/// The largest body, whatever the config says of the text.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Room for the braces, the names and an id of 255 escaped characters.
const AROUND_THE_TEXT: usize = 8 * 1024;

/// Takes one message in.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    door: Door,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Problem> {
    body::demand_json(request.headers())?;
    let correlation = Correlation {
        request_id: Some(request_id.0.to_string()),
        trace_id: trace_id(request.headers()),
    };
    let raw = body::read(request, body_cap(shared.payload_bytes)).await?;
    let said = message::parse(&raw, shared.payload_bytes)?;
    let id = said.id.as_ref().map(|id| id.as_str().to_owned());
    let inbound = Inbound {
        address: door.address.clone(),
        also: Vec::new(),
        speaker: None,
        platform_id: said.id,
        // Clients choose ids, so two conversations may choose the same.
        scope: door.address.alias.as_str().to_owned(),
        platform_time: None,
        content: Content::text(said.text),
        raw: Some(raw.into_bytes()),
        correlation,
    };
    let answer = shared
        .intake
        .deliver(IntakeBatch {
            inbounds: vec![inbound],
            receipts: Vec::new(),
        })
        .await
        .map_err(|error| Problem::from_error(&error))?;
    let delivered = one_answer(answer)?;
    answer_to(delivered, id)
}

/// JSON may spell each byte of a text as six (`\u0061`).
fn body_cap(payload_bytes: usize) -> usize {
    payload_bytes
        .saturating_mul(6)
        .min(MAX_BODY_BYTES)
        .max(payload_bytes)
        .saturating_add(AROUND_THE_TEXT)
}

fn one_answer(answers: Vec<zupa_core::Result<Delivered>>) -> Result<Delivered, Problem> {
    let mut answers = answers.into_iter();
    match (answers.next(), answers.next()) {
        (Some(Ok(delivered)), None) => Ok(delivered),
        (Some(Err(error)), None) => Err(Problem::from_error(&error)),
        _ => Err(Problem::internal(
            "accept answered another number of messages than it was given",
        )),
    }
}

fn answer_to(delivered: Delivered, id: Option<String>) -> Result<Response, Problem> {
    match delivered {
        Delivered::Accepted { event, .. } => Ok(taken("accepted", event, id)),
        Delivered::Duplicate { event } => Ok(taken("duplicate", event, id)),
        Delivered::Conflict { .. } => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "id_reused",
            "this id came before with another text",
        )
        .with_errors(vec![Fault {
            pointer: "/id".to_owned(),
            place: "body",
            code: "id_reused",
            detail: "give each message an id of its own".to_owned(),
        }])),
        // Only a platform's time makes a message expire, and we gave none.
        Delivered::Expired { .. } => Err(Problem::internal(
            "a message of the web chat expired at its first sighting",
        )),
    }
}

fn taken(status: &'static str, event: EventId, id: Option<String>) -> Response {
    let event = event.to_string();
    let id = id.unwrap_or_else(|| event.clone());
    (
        StatusCode::ACCEPTED,
        Json(json!({ "status": status, "id": id, "event": event })),
    )
        .into_response()
}

/// The trace id of a well-formed W3C `traceparent`.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut fields = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, trace) = (fields.next()?, fields.next()?);
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_good = version.len() == 2
        && version != "ff"
        && trace.len() == 32
        && is_hex(version)
        && is_hex(trace)
        && trace.bytes().any(|byte| byte != b'0');
    is_good.then(|| trace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_mebibytes_are_too_much_under_any_usual_limit() {
        assert!(body_cap(crate::DEFAULT_PAYLOAD_BYTES) < 512 * 1024);
        assert!(body_cap(1024 * 1024) < 5 * 1024 * 1024);
        assert!(body_cap(10 * 1024 * 1024) > 10 * 1024 * 1024);
    }

    #[test]
    fn only_a_well_formed_traceparent_counts() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            trace_id(&headers)
        };
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            read(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(),
            Some(trace)
        );
        assert_eq!(read("00-xyz-00f067aa0ba902b7-01"), None);
        assert_eq!(
            read(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))),
            None
        );
    }
}
