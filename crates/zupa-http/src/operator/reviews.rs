//! Reviews over HTTP: list them, look at one.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use zupa_core::review::{Question, Review};
use zupa_core::{ErrorKind, WaitId, WaitState};

use super::Admin;
use crate::parts::Shared;
use crate::problem::{Fault, Problem};
use crate::reviews::{self, Patience, Wanted};

/// Rows in an answer, unless it is asked for fewer or more.
const USUAL: usize = 100;

/// Rows in an answer at most.
const MOST: usize = 500;

/// Which reviews, and how many, as the query spells it.
#[derive(Deserialize)]
pub(crate) struct Asked {
    state: Option<String>,
    kind: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

/// `GET /api/v1/reviews`: without what they are about, which may hold what a
/// person said.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) =
        asked.map_err(|_| bad_query("query", "malformed", "the query cannot be read"))?;
    let wanted = wanted(&asked)?;
    let patience = Patience {
        now: shared.clock.wall(),
        overdue_after: shared.overdue_after,
    };
    let reviews = reviews::reviews(shared.desk.as_ref(), wanted, patience)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => no_such_cursor(),
            _ => Problem::from_error(&error),
        })?;
    Ok(Json(reviews).into_response())
}

fn wanted(asked: &Asked) -> Result<Wanted, Problem> {
    let state = match asked.state.as_deref() {
        None => Some(WaitState::Open),
        Some("all") => None,
        Some(word) => Some(WaitState::parse(word).ok_or_else(|| {
            let known = WaitState::ALL.map(WaitState::as_str).join("`, `");
            bad_query("state", "not_allowed", &format!("`{known}` or `all`"))
        })?),
    };
    let kind = match asked.kind.as_deref() {
        None => None,
        Some(word) => Some(Question::parse(word).ok_or_else(|| {
            let known = Question::ALL.map(Question::as_str).join("`, `");
            bad_query("kind", "not_allowed", &format!("one of `{known}`"))
        })?),
    };
    let limit = limit(asked.limit.as_deref())?;
    let after = match asked.after.as_deref() {
        None => None,
        Some(id) => Some(WaitId::parse(id).map_err(|_| no_such_cursor())?),
    };
    Ok(Wanted {
        state,
        kind,
        after,
        limit,
    })
}

fn no_such_cursor() -> Problem {
    bad_query("after", "unknown", "the id of a review, as in `next`")
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
        .and_then(|wait| Review::whole(wait, shared.clock.wall()))
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

/// How many rows are wanted.
pub(super) fn limit(given: Option<&str>) -> Result<usize, Problem> {
    match given.map(str::parse) {
        None => Ok(USUAL),
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(_) => {
            let allowed = format!("a number from 1 to {MOST}");
            Err(bad_query("limit", "out_of_range", &allowed))
        }
    }
}

pub(super) fn bad_query(name: &str, code: &'static str, detail: &str) -> Problem {
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
