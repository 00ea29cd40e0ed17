//! The simulated phone, and what its page needs to know of the process. In `dev` only.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::HeaderMap;
use axum::response::Response;
use rust_embed::RustEmbed;

use crate::pages::file;
use crate::parts::{DevInfo, Mode, Shared};
use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "assets/phone/"]
struct Files;

/// `GET /`.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    file::<Files>("index.html", &headers)
}

/// `GET /phone/{file}`.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    file::<Files>(&name, &headers)
}

/// `GET /dev/info`.
pub(crate) async fn info(State(shared): State<Arc<Shared>>) -> Result<Json<DevInfo>, Problem> {
    match &shared.mode {
        Mode::Dev(info) => Ok(Json(info.clone())),
        Mode::Serve => Err(Problem::not_found("there is nothing at this path")),
    }
}
