//! Breakers over HTTP: list them, turn one.
//!
//! They are of this process and nowhere stored: a start begins with all of them closed.
//! That one was turned is in the audit of the installation.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;

use super::Admin;
use super::dead_letters::{said, who};
use crate::body;
use crate::breakers::Position;
use crate::dead_letters::{MAX_CHARS, wrong_words};
use crate::parts::Shared;
use crate::problem::Problem;

/// The largest body: three texts of some hundred characters, however escaped.
const BODY_BYTES: usize = 16 * 1024;

const FORM: &str = "{ \"name\", \"reason\"?, \"by\"? }";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    name: String,
    reason: Option<String>,
    by: Option<String>,
}

/// `GET /api/v1/breakers`.
pub(crate) async fn list(State(shared): State<Arc<Shared>>, _: Admin) -> Json<Value> {
    Json(json!({ "breakers": shared.breakers.list() }))
}

/// `POST /api/v1/breakers/{open|close}` with `{ "name", "reason"?, "by"? }`.
///
/// A second one changes nothing but the audit, under whichever key.
pub(crate) async fn turn(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    word: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let nothing = || Problem::not_found("a breaker can be opened and closed");
    let Path(word) = word.map_err(|_| nothing())?;
    let position = Position::parse(&word).ok_or_else(nothing)?;
    body::demand_json(request.headers())?;
    let Turn { name, reason, by } = said(&body::read(request, BODY_BYTES).await?, FORM)?;
    let of_reason = |reason: &String| wrong_words("reason", reason, MAX_CHARS);
    let act = who(&shared, by, reason.iter().flat_map(of_reason).collect())?;
    let unknown = || Problem::not_found("there is no breaker of this name");
    let listed = shared.breakers.list();
    if !listed.iter().any(|breaker| breaker.name == name) {
        return Err(unknown());
    }
    let action = match position {
        Position::Open => "breaker.opened",
        Position::Closed => "breaker.closed",
    };
    let what = match reason {
        Some(reason) => format!("{name}: {reason}"),
        None => name.clone(),
    };
    // Before the act: what is not on record is not done.
    let recorded = shared.desk.record_act(act.entry(action, Some(what))).await;
    recorded.map_err(|error| Problem::from_error(&error))?;
    if !shared.breakers.turn(&name, position) {
        return Err(unknown());
    }
    info!(
        breaker = name,
        ?position,
        "an operator has turned a breaker"
    );
    let all = shared.breakers.list();
    let breaker = all.into_iter().find(|breaker| breaker.name == name);
    Ok(Json(json!({ "breaker": breaker })))
}
