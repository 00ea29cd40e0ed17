//! All routes, and what surrounds every one of them.
//!
//! From outside in: the envelope (request id, problem documents, headers),
//! panics, the deadline, limits, host and origin, the handler.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::idempotency::idempotent;
use crate::parts::{Parts, Shared};
use crate::problem::Problem;
use crate::{chat, envelope, gate, health, limits, metrics, operator, phone, webhooks};

/// The longest a handler may take to begin its answer. A commit that takes
/// longer is one that the sender should ask for again.
const DEADLINE: Duration = Duration::from_secs(30);

/// Builds the service. Hand it to [`crate::serve()`], or mount it elsewhere.
pub fn router(parts: Parts) -> Router {
    let shared = Arc::new(Shared::new(parts));
    let mut routes = Router::new()
        .route("/chat/{conversation}/messages", post(chat::post))
        .route("/chat/{channel}/{conversation}/messages", post(chat::post))
        .route("/chat/{conversation}/events", get(chat::events))
        .route("/chat/{channel}/{conversation}/events", get(chat::events))
        .route(
            "/webhooks/{channel}",
            get(webhooks::greet).post(webhooks::post),
        )
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/health", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/turns/{id}", get(operator::turn))
        .route("/api/v1/reviews", get(operator::reviews))
        .route("/api/v1/reviews/{id}", get(operator::review))
        .route("/api/v1/conversations", get(operator::conversations))
        .route("/api/v1/conversations/{id}", get(operator::conversation))
        .route("/api/v1/dead-letters", get(operator::dead_letters))
        .route(
            "/api/v1/dead-letters/stats",
            get(operator::dead_letter_stats),
        )
        .route("/api/v1/dead-letters/{id}", get(operator::dead_letter))
        .route("/api/v1/audit", get(operator::audit))
        .route("/api/v1/breakers", get(operator::breakers))
        .route("/api/v1/channels", get(operator::channels))
        .route("/api/v1/channels/{id}", get(operator::channel))
        .route("/api/v1/channels/{id}/pairing", get(operator::pairing))
        .route("/channels", get(operator::channels_page))
        .route("/channels/{file}", get(operator::channels_asset))
        .route("/api/v1/accounting", get(operator::accounting))
        .route("/api/v1/status", get(operator::status))
        .merge(acts(&shared));
    if shared.is_dev() {
        routes = routes
            .route("/", get(phone::page))
            .route("/phone/{file}", get(phone::asset))
            .route("/dev/info", get(phone::info));
    }
    routes
        .fallback(nothing_here)
        .layer(from_fn_with_state(shared.clone(), gate::gate))
        .layer(from_fn_with_state(shared.clone(), limits::limit))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            DEADLINE,
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(shared.clone(), envelope::envelope))
        .with_state(shared)
}

/// What operators change: who asks is known before anything is read, and each act is done
/// once.
fn acts(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/reviews/{id}/decision", post(operator::decide))
        .route("/api/v1/reviews/{id}/claim", post(operator::claim_review))
        .route(
            "/api/v1/reviews/{id}/release",
            post(operator::release_review),
        )
        .route("/api/v1/conversations/{id}/hold", post(operator::hold))
        .route(
            "/api/v1/conversations/{id}/release",
            post(operator::release),
        )
        .route(
            "/api/v1/conversations/{id}/session/end",
            post(operator::end_session),
        )
        .route(
            "/api/v1/dead-letters/retry",
            post(operator::retry_dead_letters),
        )
        .route(
            "/api/v1/dead-letters/{id}/{act}",
            post(operator::act_on_dead_letter),
        )
        .route("/api/v1/breakers/{act}", post(operator::turn_breaker))
        .route_layer(from_fn_with_state(shared.idempotency.clone(), idempotent))
        .route_layer(from_fn_with_state(shared.clone(), operator::identify))
}

/// A path without a route. An empty conversation has none either, and its
/// sender deserves to hear what is missing.
async fn nothing_here(request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/chat/") && path.contains("//") {
        return chat::empty_conversation().into_response();
    }
    Problem::not_found("there is nothing at this path").into_response()
}

/// What a panic says is for the log alone; the default hook has printed it.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal("a handler panicked").into_response()
}
