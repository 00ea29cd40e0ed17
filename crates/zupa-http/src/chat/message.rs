//! Parses what a person posted: `{ "id"?, "text" }` and nothing else.
//!
//! All faults are reported at once, each with a JSON Pointer. Nothing of the
//! text is ever repeated in an answer.

use axum::http::StatusCode;
use serde_json::Value;
use zupa_core::PlatformId;
use zupa_core::id::MAX_ID_CHARS;

use crate::fields::{self, MAX_FAULTS, fault};
use crate::problem::{Fault, Problem};

/// What a body looks like.
const FORM: &str = "{ \"id\"?, \"text\" }";

/// One message, checked.
#[derive(Debug)]
pub(super) struct Said {
    /// The client's id, by which it may send the message again.
    pub(super) id: Option<PlatformId>,
    /// Customer text.
    pub(super) text: String,
}

/// Parses a body whose text may have `limit` bytes.
pub(super) fn parse(body: &str, limit: usize) -> Result<Said, Problem> {
    let fields = fields::read(body, FORM)?;
    let mut faults = Vec::new();
    let mut id = None;
    let mut text = None;
    let mut too_long = false;
    let mut seen = Vec::new();
    for (name, value) in fields {
        if seen.contains(&name) {
            faults.push((
                Weight::Shape,
                fault(&name, "duplicate_field", "this field is there twice"),
            ));
            continue;
        }
        match (name.as_str(), value) {
            // A missing id and an empty one are different mistakes to a
            // client; `null` is the former.
            ("id", Value::Null) => {}
            ("id", Value::String(given)) => match check_id(given) {
                Ok(given) => id = Some(given),
                Err(fault) => faults.push((Weight::Content, fault)),
            },
            ("text", Value::String(given)) => {
                too_long = given.len() > limit;
                match check_text(&given) {
                    Ok(()) => text = Some(given),
                    Err(fault) => faults.push((Weight::Content, fault)),
                }
            }
            ("id" | "text", _) => {
                faults.push((
                    Weight::Shape,
                    fault(&name, "wrong_type", "this field is a string"),
                ));
            }
            _ => faults.push((
                Weight::Shape,
                fault(&name, "unknown_field", "the fields are \"id\" and \"text\""),
            )),
        }
        seen.push(name);
    }
    if !seen.iter().any(|name| name == "text") {
        faults.push((
            Weight::Shape,
            fault("text", "missing_field", "this field is required"),
        ));
    }
    match text {
        Some(text) if faults.is_empty() && !too_long => Ok(Said { id, text }),
        _ if faults.is_empty() => Err(too_large(limit)),
        _ => Err(refuse(faults)),
    }
}

/// A wrong shape is the client program's mistake, a wrong content may be the
/// person's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Shape,
    Content,
}

fn check_id(id: String) -> Result<PlatformId, Fault> {
    if id.trim().is_empty() {
        return Err(fault("id", "empty", "leave the id away, or give it a name"));
    }
    if id.chars().any(char::is_control) {
        return Err(fault(
            "id",
            "control_character",
            "an id has no control characters",
        ));
    }
    PlatformId::parse(id).map_err(|_| {
        fault(
            "id",
            "too_long",
            &format!("an id has at most {MAX_ID_CHARS} characters"),
        )
    })
}

fn check_text(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(fault("text", "empty", "a message says something"));
    }
    // Postgres cannot keep it, and SQLite's text functions end at it.
    if text.contains('\0') {
        return Err(fault(
            "text",
            "control_character",
            "a message has no U+0000",
        ));
    }
    Ok(())
}

fn refuse(faults: Vec<(Weight, Fault)>) -> Problem {
    let shape = faults.iter().any(|(weight, _)| *weight == Weight::Shape);
    let (status, code, detail) = if shape {
        (
            StatusCode::BAD_REQUEST,
            "invalid_body",
            "the body is not a message: { \"id\"?, \"text\" }",
        )
    } else {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_message",
            "the message cannot be taken",
        )
    };
    let faults = faults.into_iter().map(|(_, fault)| fault);
    Problem::new(status, code, detail).with_errors(faults.take(MAX_FAULTS).collect())
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("a text has at most {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail.clone())
        .with_errors(vec![fault("text", "too_long", &detail)])
}
