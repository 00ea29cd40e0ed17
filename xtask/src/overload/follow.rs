//! A person who waits for the answer.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

use crate::crash::{http, sse};

/// Whoever has no answer by then has none.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long after `since` the answer was there; none for never.
pub async fn answered(door: SocketAddr, who: &str, since: Instant) -> Option<Duration> {
    let path = format!("/chat/{who}/events");
    let reading = async {
        let mut body = http::events(door, &path, 0, PATIENCE).await.ok()?;
        let mut parser = sse::Parser::default();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame.ok()?.into_data() else {
                continue;
            };
            let mut events = parser.push(&bytes).into_iter();
            if events.any(|event| event.name == "message") {
                return Some(since.elapsed());
            }
        }
        None
    };
    timeout(PATIENCE, reading).await.ok().flatten()
}
