//! What was done to the installation, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::Admin;
use super::reviews::{bad_query, limit};
use crate::audit::{self, Entries};
use crate::parts::Shared;
use crate::problem::Problem;

/// Which entries, and how many.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    before: Option<String>,
    limit: Option<String>,
}

/// `GET /api/v1/audit`: newest first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Entries>, Problem> {
    let Query(wanted) =
        wanted.map_err(|_| bad_query("query", "malformed", "the query cannot be read"))?;
    let before = wanted.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| bad_query("before", "malformed", "the number of an entry"))?;
    let limit = limit(wanted.limit.as_deref())?;
    audit::list(shared.desk.as_ref(), before, limit)
        .await
        .map(Json)
        .map_err(|error| Problem::from_error(&error))
}
