//! Channels over HTTP: how each stands, the code that links a phone, and a page that shows
//! both. The page holds nothing by itself: it asks these routes, with the operator's token.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, ETAG, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use rust_embed::RustEmbed;
use serde_json::{Value, json};
use tracing::info;
use zupa_core::Standing;

use super::Admin;
use super::dead_letters::who;
use crate::channels::{Channel, Code};
use crate::pages::file;
use crate::parts::Shared;
use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "assets/channels/"]
struct Files;

/// `GET /api/v1/channels`.
pub(crate) async fn list(State(shared): State<Arc<Shared>>, _: Admin) -> Json<Value> {
    let channels: Vec<_> = shared.standings.iter().map(Channel::of).collect();
    Json(json!({ "channels": channels }))
}

/// `GET /api/v1/channels/{id}`.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Channel>, Problem> {
    find(&shared, id).map(|standing| Json(Channel::of(standing)))
}

/// `GET /api/v1/channels/{id}/pairing`: the code that links a phone. That it was shown is in
/// the audit before it is.
pub(crate) async fn pairing(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Code>, Problem> {
    let standing = find(&shared, id)?;
    let pairing = standing.now().pairing.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_waiting",
            "this channel does not wait to be linked",
        )
    })?;
    let (channel, code) = (&standing.channel, Code::of(&pairing));
    if !shared.codes.is_on_record(channel, &code.text) {
        let act = who(&shared, None, Vec::new())?;
        let entry = act.entry("pairing.shown", Some(channel.to_string()));
        let recorded = shared.desk.record_act(entry).await;
        recorded.map_err(|error| Problem::from_error(&error))?;
        shared.codes.record(channel, &code.text);
        info!(%channel, "an operator reads the code that links a phone");
    }
    Ok(Json(code))
}

/// `GET /channels`.
pub(crate) async fn page() -> Response {
    whole("index.html")
}

/// `GET /channels/{file}`.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    whole(&name)
}

/// What shows codes is kept by no browser, nor shown again by a step back.
fn whole(name: &str) -> Response {
    let mut response = file::<Files>(name, &HeaderMap::new());
    let headers = response.headers_mut();
    headers.remove(ETAG);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn find(shared: &Shared, id: Result<Path<String>, PathRejection>) -> Result<&Standing, Problem> {
    let unknown = || Problem::not_found("there is no channel with this id");
    let Path(id) = id.map_err(|_| unknown())?;
    let mut all = shared.standings.iter();
    all.find(|standing| standing.channel.as_str() == id)
        .ok_or_else(unknown)
}
