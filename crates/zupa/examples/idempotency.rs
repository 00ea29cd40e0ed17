//! The `Idempotency-Key` layer without the rest of Zupa: a route that moves money, on axum,
//! with its keys in a SQLite file. A transfer that is sent again is made once.
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
use tower::ServiceExt;
use zupa::core::{Clock, IdempotencyKeys};
use zupa::http::{Idempotency, Principal, idempotent};
use zupa::runtime::{SystemClock, SystemIds};
use zupa::sqlite::{SqliteConfig, SqliteStore};

/// Moves money; how often it did so is in its answer.
async fn transfer(State(made): State<Arc<AtomicU64>>, body: String) -> (StatusCode, String) {
    let number = made.fetch_add(1, Ordering::SeqCst) + 1;
    (StatusCode::CREATED, format!("transfer {number}: {body}"))
}

/// Says who asks. A service of yours looks at a session or a token here.
async fn identify(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Principal {
        name: "ana".to_owned(),
        tenant: "default".to_owned(),
    });
    next.run(request).await
}

/// Takes away what is over; without it the file grows for ever. A Zupa runtime does this
/// by itself.
async fn forget(keys: Arc<SqliteStore>, clock: Arc<SystemClock>) {
    loop {
        if let Err(error) = keys.forget(clock.wall(), 500).await {
            eprintln!("keys stay for now: {error}");
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let keys = SqliteStore::open(SqliteConfig::at(folder.path().join("keys.db"))).await?;
    let (keys, clock) = (Arc::new(keys), Arc::new(SystemClock::default()));
    tokio::spawn(forget(keys.clone(), clock.clone()));
    let layer =
        Idempotency::new(keys, clock, Arc::new(SystemIds)).keep(Duration::from_secs(60 * 60));
    let bank = Router::new()
        .route("/transfer", post(transfer))
        .route_layer(from_fn_with_state(layer, idempotent))
        .route_layer(from_fn(identify))
        .with_state(Arc::default());

    for (key, body) in [
        ("a-key-of-one-transfer", "10 to bob"),
        ("a-key-of-one-transfer", "10 to bob"),
        ("a-key-of-one-transfer", "99 to bob"),
        ("a-key-of-another-one", "10 to bob"),
        ("short", "10 to bob"),
    ] {
        let request = Request::post("/transfer")
            .header("idempotency-key", key)
            .body(Body::from(body))?;
        let answer = bank.clone().oneshot(request).await?;
        let status = answer.status();
        let again = answer.headers().contains_key("idempotent-replayed");
        let said = to_bytes(answer.into_body(), 64 * 1024).await?;
        let said = String::from_utf8(said.to_vec())?;
        println!(
            "{status}{} {said}",
            if again { ", as before:" } else { ":" }
        );
    }
    Ok(())
}
