//! What operators read and decide. Every route needs the admin token.

mod acts;
mod audit;
mod auth;
mod breakers;
mod channels;
mod claims;
mod conversations;
mod dead_letters;
mod decision;
mod reviews;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use zupa_core::desk::TurnView;
use zupa_core::why::why;
use zupa_core::{Channel, DeliveryState, InboundState};

use crate::parts::Shared;
use crate::problem::Problem;
use crate::readiness::State as Ready;

pub(crate) use acts::{end_session, hold, release};
pub(crate) use audit::list as audit;
pub(crate) use auth::{Admin, AdminToken, bearer, identify};
pub(crate) use breakers::{list as breakers, turn as turn_breaker};
pub(crate) use channels::{
    asset as channels_asset, list as channels, page as channels_page, pairing, show as channel,
};
pub use claims::ClaimDone;
pub(crate) use claims::{claim as claim_review, release as release_review};
pub(crate) use conversations::{list as conversations, show as conversation};
pub(crate) use dead_letters::{
    act as act_on_dead_letter, list as dead_letters, retry_all as retry_dead_letters,
    show as dead_letter, stats as dead_letter_stats,
};
pub(crate) use decision::decide;
pub(crate) use reviews::{list as reviews, show as review};

/// A turn and why it stands where it stands.
#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    view: TurnView,
    /// For people.
    why: String,
    /// The same for programs.
    why_code: &'static str,
}

/// `GET /api/v1/turns/{id}`: by the id of a turn, or of a message.
pub(crate) async fn turn(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("there is no turn and no message with this id");
    let Path(id) = id.map_err(|_| unknown())?;
    let view = shared
        .desk
        .turn(&id)
        .await
        .map_err(|error| Problem::from_error(&error))?
        .ok_or_else(unknown)?;
    let why = why(&view);
    Ok(Json(Explained {
        view,
        why: why.sentence,
        why_code: why.code,
    })
    .into_response())
}

/// `GET /api/v1/accounting`: where every accepted message is.
pub(crate) async fn accounting(
    State(shared): State<Arc<Shared>>,
    _: Admin,
) -> Result<Json<Value>, Problem> {
    let counts = shared
        .desk
        .accounting()
        .await
        .map_err(|error| Problem::from_error(&error))?;
    let (ended, open): (Vec<_>, Vec<_>) = InboundState::ALL
        .into_iter()
        .partition(|state| state.has_ended());
    Ok(Json(json!({
        "accepted": counts.accepted,
        "open": every(open.into_iter().map(InboundState::as_str), &counts.open),
        "ended": every(ended.into_iter().map(InboundState::as_str), &counts.ended),
        "purged": counts.purged,
        "balanced": counts.is_balanced(),
        "deliveries": every(
            DeliveryState::ALL.into_iter().map(DeliveryState::as_str),
            &counts.deliveries,
        ),
    })))
}

/// A count for every state, the empty ones too: a script that reads them need
/// not know which have occurred.
fn every(
    states: impl Iterator<Item = &'static str>,
    counts: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let mut all: BTreeMap<_, _> = states.map(|state| (state.to_owned(), 0)).collect();
    all.extend(counts.iter().map(|(state, count)| (state.clone(), *count)));
    all
}

/// `GET /api/v1/status`: the process and its store.
pub(crate) async fn status(
    State(shared): State<Arc<Shared>>,
    _: Admin,
) -> Result<Json<Value>, Problem> {
    let store = shared
        .desk
        .status()
        .await
        .map_err(|error| Problem::from_error(&error))?;
    let state = shared.readiness.state();
    let reason = match &state {
        Ready::Degraded(reason) => Some(reason.as_str()),
        _ => None,
    };
    let channels: Vec<_> = shared
        .chats
        .iter()
        .map(|chat| {
            json!({
                "id": chat.id(),
                "tenant": chat.tenant(),
                "kind": "web-chat",
                "watched": chat.hints().watched(),
            })
        })
        .collect();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": if shared.is_dev() { "dev" } else { "serve" },
        "state": state.as_str(),
        "reason": reason,
        "now": shared.clock.wall().to_string(),
        "uptime_seconds": shared.uptime().as_secs(),
        "channels": channels,
        "store": store,
    })))
}
