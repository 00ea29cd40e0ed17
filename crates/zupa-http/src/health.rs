//! Health: `/livez` says that the process answers, `/readyz` whether it should
//! be sent work. Neither makes a paid call, both answer within 50 ms.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;
use zupa_core::{Address, Alias, Channel, ChannelId, Number, TenantId};

use crate::parts::Shared;
use crate::problem::Problem;
use crate::readiness::State as Ready;

/// How long the store may take; the rest of the 50 ms is ours.
const STORE_DEADLINE: Duration = Duration::from_millis(40);

/// How soon to ask again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Answers while the process can answer at all.
pub(crate) async fn livez() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// Asks the process and its store.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Problem> {
    let process = shared.readiness.state();
    let store = store_check(&shared).await;
    let mut checks = json!({ "process": process.as_str(), "store": store });
    if let Ready::Degraded(reason) = &process {
        checks["reason"] = json!(reason);
    }
    if process == Ready::Ready && store == "ok" {
        return Ok(Json(json!({ "status": "ready", "checks": checks })));
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        "this process should not be sent work now",
    )
    .retry_after(ASK_AGAIN)
    .with("checks", checks))
}

/// A read that costs one look-up whatever the store holds.
async fn store_check(shared: &Shared) -> &'static str {
    let Some(probe) = probe(shared) else {
        return "ok";
    };
    match timeout(STORE_DEADLINE, shared.desk.lines(&probe, Number(0), 1)).await {
        Ok(Ok(_)) => "ok",
        Ok(Err(error)) => error.kind().as_str(),
        Err(_) => "timeout",
    }
}

/// An address that nobody has: its alias has a control character, which the
/// door refuses.
fn probe(shared: &Shared) -> Option<Address> {
    let (tenant, channel) = match shared.chats.first() {
        Some(chat) => (chat.tenant().clone(), chat.id().clone()),
        None => (TenantId::default_tenant(), ChannelId::parse("readyz").ok()?),
    };
    Some(Address {
        tenant,
        channel,
        alias: Alias::parse("\u{1}readyz").ok()?,
    })
}
