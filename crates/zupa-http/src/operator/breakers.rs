//! Breakers over HTTP: list them, turn one.
//!
//! They are of this process and nowhere stored: a start begins with all of them closed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tracing::info;

use super::Admin;
use crate::body;
use crate::breakers::Position;
use crate::fields::{self, fault};
use crate::parts::Shared;
use crate::problem::Problem;

/// The largest body: a name of some hundred characters, however escaped.
const BODY_BYTES: usize = 16 * 1024;

const FORM: &str = "{ \"name\" }";

/// `GET /api/v1/breakers`.
pub(crate) async fn list(State(shared): State<Arc<Shared>>, _: Admin) -> Json<Value> {
    Json(json!({ "breakers": shared.breakers.list() }))
}

/// `POST /api/v1/breakers/{open|close}` with `{ "name" }`.
///
/// A second one changes nothing, under whichever key.
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
    let name = name(&body::read(request, BODY_BYTES).await?)?;
    if !shared.breakers.turn(&name, position) {
        return Err(Problem::not_found("there is no breaker of this name"));
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

fn name(body: &str) -> Result<String, Problem> {
    let mut fields = fields::read(body, FORM)?.into_iter();
    match (fields.next(), fields.next()) {
        (Some((field, Value::String(name))), None) if field == "name" => Ok(name),
        _ => {
            let detail = format!("the body is not of this form: {FORM}");
            let missing = fault("name", "required", "the breaker's name, and nothing else");
            Err(
                Problem::new(StatusCode::BAD_REQUEST, "invalid_body", detail)
                    .with_errors(vec![missing]),
            )
        }
    }
}
