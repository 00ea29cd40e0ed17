//! A person who waits for the answer.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::crash::{http, sse};

/// Whoever has no answer by then has none.
const PATIENCE: Duration = Duration::from_secs(180);

/// Before a stream that broke is opened anew, as a browser does.
const AGAIN: Duration = Duration::from_millis(500);

/// How long after `since` the answer was there; none for never.
pub async fn answered(door: SocketAddr, who: &str, since: Instant) -> Option<Duration> {
    let reading = async {
        while read(door, who).await.is_none() {
            sleep(AGAIN).await;
        }
        since.elapsed()
    };
    timeout(PATIENCE, reading).await.ok()
}

/// Reads until there is an answer; none if the stream ends before.
async fn read(door: SocketAddr, who: &str) -> Option<()> {
    let path = format!("/chat/{who}/events");
    let mut body = http::events(door, &path, 0, PATIENCE).await.ok()?;
    let mut parser = sse::Parser::default();
    loop {
        let Ok(bytes) = body.frame().await?.ok()?.into_data() else {
            continue;
        };
        let mut events = parser.push(&bytes).into_iter();
        if events.any(|event| event.name == "message") {
            return Some(());
        }
    }
}
