//! Conversations over HTTP: list them, look at one.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use zupa_core::ConversationId;

use super::Admin;
use super::reviews::{bad_query, limit};
use crate::conversations::{self, Conversation, Conversations};
use crate::parts::Shared;
use crate::problem::Problem;

/// Which conversations, and how many.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    held: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

/// `GET /api/v1/conversations`: newest first, without what a person said.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Conversations>, Problem> {
    let Query(wanted) =
        wanted.map_err(|_| bad_query("query", "malformed", "the query cannot be read"))?;
    let held = match wanted.held.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(bad_query("held", "not_allowed", "`true` or `false`")),
    };
    let before = wanted.before.as_deref().map(ConversationId::parse);
    let before = before
        .transpose()
        .map_err(|_| bad_query("before", "malformed", "the id of a conversation"))?;
    let limit = limit(wanted.limit.as_deref())?;
    conversations::list(shared.desk.as_ref(), held, before, limit)
        .await
        .map(Json)
        .map_err(|error| Problem::from_error(&error))
}

/// `GET /api/v1/conversations/{id}`: with summaries of what was said.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Conversation>, Problem> {
    conversations::show(shared.desk.as_ref(), parse(id)?)
        .await
        .map_err(|error| Problem::from_error(&error))?
        .map(Json)
        .ok_or_else(unknown)
}

pub(super) fn parse(id: Result<Path<String>, PathRejection>) -> Result<ConversationId, Problem> {
    let Path(id) = id.map_err(|_| unknown())?;
    ConversationId::parse(&id).map_err(|_| unknown())
}

pub(super) fn unknown() -> Problem {
    Problem::not_found("there is no conversation with this id")
}
