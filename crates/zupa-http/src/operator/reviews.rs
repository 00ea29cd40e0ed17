//! Reviews over HTTP: list them, look at one.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use zupa_core::{WaitId, WaitState};

use super::Admin;
use crate::parts::Shared;
use crate::problem::{Fault, Problem};
use crate::review::{self, Review};

/// Reviews in an answer, unless it is asked for fewer or more.
const USUAL: usize = 100;

/// Reviews in an answer at most.
const MOST: usize = 500;

/// Which reviews, and how many.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    state: Option<String>,
    limit: Option<String>,
}

/// `GET /api/v1/reviews`: without what they are about, which may hold what a
/// person said.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) =
        wanted.map_err(|_| bad_query("query", "malformed", "the query cannot be read"))?;
    let state = match wanted.state.as_deref() {
        None | Some("open") => Some(WaitState::Open),
        Some("all") => None,
        Some(_) => return Err(bad_query("state", "not_allowed", "`open` or `all`")),
    };
    let limit = match wanted.limit.as_deref().map(str::parse) {
        None => USUAL,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => {
            let allowed = format!("a number from 1 to {MOST}");
            return Err(bad_query("limit", "out_of_range", &allowed));
        }
    };
    let reviews = review::reviews(shared.desk.as_ref(), state, limit)
        .await
        .map_err(|error| Problem::from_error(&error))?;
    Ok(Json(reviews).into_response())
}

/// `GET /api/v1/reviews/{id}`: with all that is needed to decide.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Review>, Problem> {
    let wait = shared
        .desk
        .wait(parse(id)?)
        .await
        .map_err(|error| Problem::from_error(&error))?;
    wait.as_ref()
        .and_then(Review::whole)
        .map(Json)
        .ok_or_else(unknown)
}

pub(super) fn parse(id: Result<Path<String>, PathRejection>) -> Result<WaitId, Problem> {
    let Path(id) = id.map_err(|_| unknown())?;
    WaitId::parse(&id).map_err(|_| unknown())
}

pub(super) fn unknown() -> Problem {
    Problem::not_found("there is no review with this id")
}

fn bad_query(name: &str, code: &'static str, detail: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_query",
        "the query cannot be taken",
    )
    .with_errors(vec![Fault {
        pointer: format!("/{name}"),
        place: "query",
        code,
        detail: detail.to_owned(),
    }])
}
