//! Taking a conversation over, handing it back and ending its session over HTTP.
//!
//! What arrives: a wish, perhaps for the second time. On leaving with 200 it is durable
//! and in the audit. If the process dies here the sender has no answer and asks again.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::Value;
use tracing::info;
use zupa_core::{ConversationId, Nudge};

use super::Admin;
use super::conversations::{parse, unknown};
use crate::body;
use crate::conversations::{self, Act, Answered, Done};
use crate::fields::{self, MAX_FAULTS, fault};
use crate::parts::Shared;
use crate::problem::{Fault, Problem};

/// The largest body: a name of 255 characters, however escaped.
const BODY_BYTES: usize = 16 * 1024;

/// What a body looks like.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Of a takeover, or of a session's end.
    Plain,
    /// Of a hand-back.
    Release,
}

impl Form {
    fn words(self) -> &'static str {
        match self {
            Self::Plain => "{ \"by\"? }",
            Self::Release => "{ \"answered\"?: \"all\" | \"none\" | time, \"by\"? }",
        }
    }

    fn knows(self, name: &str) -> bool {
        name == "by" || matches!(self, Self::Release) && name == "answered"
    }
}

/// What an operator wishes.
struct Wish {
    id: ConversationId,
    act: Act,
    /// Of a hand-back alone.
    answered: Answered,
}

/// `POST /api/v1/conversations/{id}/hold`.
///
/// A second one changes nothing, under whichever key.
pub(crate) async fn hold(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let Wish { id, act, .. } = wish(&shared, id, request, Form::Plain).await?;
    let done = conversations::hold(shared.desk.as_ref(), id, &act).await;
    let done = there(done)?;
    if done.changed {
        info!(conversation.id = %id, "an operator has taken the conversation over");
    }
    // The second one, too: the hint of the first may be lost.
    shared.wakeup.wake(Nudge::Held(id));
    Ok(Json(done))
}

/// `POST /api/v1/conversations/{id}/release`.
pub(crate) async fn release(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let Wish { id, act, answered } = wish(&shared, id, request, Form::Release).await?;
    let done = conversations::release(shared.desk.as_ref(), id, answered, &act).await;
    let done = there(done)?;
    if done.changed {
        let answered = done.answered;
        info!(conversation.id = %id, answered, "an operator has handed the conversation back");
    }
    wake_if_due(&shared, &done);
    Ok(Json(done))
}

/// `POST /api/v1/conversations/{id}/session/end`.
pub(crate) async fn end_session(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let Wish { id, act, .. } = wish(&shared, id, request, Form::Plain).await?;
    let done = conversations::end_session(shared.desk.as_ref(), id, &act).await;
    let done = there(done)?;
    if done.changed {
        info!(conversation.id = %id, "an operator ends the session");
    }
    wake_if_due(&shared, &done);
    Ok(Json(done))
}

/// Reads a request; whoever sends another than it should hears all that is wrong.
async fn wish(
    shared: &Shared,
    id: Result<Path<String>, PathRejection>,
    request: Request,
    form: Form,
) -> Result<Wish, Problem> {
    body::demand_json(request.headers())?;
    let id = parse(id)?;
    let (act, answered) = read(shared, request, form).await?;
    Ok(Wish { id, act, answered })
}

/// Who acts, of a body that says no more.
pub(super) async fn who(shared: &Shared, request: Request) -> Result<Act, Problem> {
    let (act, _) = read(shared, request, Form::Plain).await?;
    Ok(act)
}

async fn read(shared: &Shared, request: Request, form: Form) -> Result<(Act, Answered), Problem> {
    let said = parse_body(&body::read(request, BODY_BYTES).await?, form)?;
    let at = shared.clock.wall();
    let act = Act {
        by: said.by,
        at,
        config: shared.config,
    };
    let (answered, mut faults) = match said.answered.map(|text| Answered::parse(&text, at)) {
        None => (Answered::default(), Vec::new()),
        Some(Ok(answered)) => (answered, Vec::new()),
        Some(Err(fault)) => (Answered::default(), vec![fault]),
    };
    faults.extend(act.faults());
    if faults.is_empty() {
        return Ok((act, answered));
    }
    let faults = faults.iter();
    let faults = faults.map(|(name, code, detail)| fault(name, code, detail));
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_act",
        "this cannot be done as it is said",
    )
    .with_errors(faults.collect()))
}

/// The fields of a body, as they were written.
#[derive(Default)]
struct Said {
    answered: Option<String>,
    by: Option<String>,
}

fn parse_body(body: &str, form: Form) -> Result<Said, Problem> {
    let words = form.words();
    let mut said = Said::default();
    let (mut seen, mut faults): (Vec<String>, Vec<Fault>) = (Vec::new(), Vec::new());
    for (name, value) in fields::read(body, words)? {
        match (name.as_str(), value) {
            (name, _) if seen.iter().any(|seen| seen == name) => {
                faults.push(fault(name, "duplicate_field", "this field is there twice"));
            }
            (name, _) if !form.knows(name) => {
                faults.push(fault(name, "unknown_field", &format!("known: {words}")));
            }
            (_, Value::Null) => {}
            ("by", Value::String(given)) => said.by = Some(given),
            (_, Value::String(given)) => said.answered = Some(given),
            (name, _) => faults.push(fault(name, "wrong_type", "this field is a string")),
        }
        seen.push(name);
    }
    if faults.is_empty() {
        return Ok(said);
    }
    faults.truncate(MAX_FAULTS);
    let detail = format!("the body is not of this form: {words}");
    Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_body", detail).with_errors(faults))
}

fn there(done: zupa_core::Result<Option<Done>>) -> Result<Done, Problem> {
    done.map_err(|error| Problem::from_error(&error))?
        .ok_or_else(unknown)
}

fn wake_if_due(shared: &Shared, done: &Done) {
    if done.is_due() {
        shared.wakeup.wake(Nudge::Due(done.conversation.id));
    }
}
