//! What the other end of each conversation got to see, read as a phone reads it:
//! the event stream from the first event on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::http;
use super::sse::{Event, Parser};
use super::words::{Conversation, Token, tokens};

/// Silence after which a stream that covered everything is believed to be over:
/// long enough for a doubled reply to show up.
const QUIET: Duration = Duration::from_millis(400);
/// Silence after which a stream with gaps is believed to be over.
const QUIET_WITH_GAPS: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 16;

/// One `message` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The number in the conversation: the event's id.
    pub number: u64,
    pub id: String,
    pub turn: Option<String>,
    pub tokens: Vec<Token>,
}

pub type Replies = BTreeMap<Conversation, Vec<Reply>>;

/// Reads every conversation until the expected messages are answered, or it is
/// quiet. Any replica will do, so each reads some.
pub async fn read(
    doors: &[SocketAddr],
    expected: BTreeMap<Conversation, BTreeSet<u32>>,
) -> anyhow::Result<Replies> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut reading = JoinSet::new();
    for ((conversation, expected), door) in expected.into_iter().zip(doors.iter().cycle()) {
        let door = *door;
        let permits = Arc::clone(&permits);
        reading.spawn(async move {
            let _permit = permits.acquire().await?;
            let replies = conversation_replies(door, &conversation, &expected).await;
            let replies =
                replies.with_context(|| format!("cannot read the replies of {conversation}"))?;
            anyhow::Ok((conversation, replies))
        });
    }
    let mut all = Replies::new();
    while let Some(read) = reading.join_next().await {
        let (conversation, replies) = read??;
        all.insert(conversation, replies);
    }
    Ok(all)
}

async fn conversation_replies(
    door: SocketAddr,
    conversation: &Conversation,
    expected: &BTreeSet<u32>,
) -> anyhow::Result<Vec<Reply>> {
    let mut body = http::events(door, &conversation.path("events"), 0, DEADLINE).await?;
    let mut parser = Parser::default();
    let mut replies = Vec::new();
    let mut missing = expected.clone();
    let end = Instant::now() + DEADLINE;
    let mut news = Instant::now();
    loop {
        let quiet = if missing.is_empty() {
            QUIET
        } else {
            QUIET_WITH_GAPS
        };
        let left = (news + quiet)
            .min(end)
            .saturating_duration_since(Instant::now());
        // Keep-alive comments and hints do not move `news`, so this ends.
        if left.is_zero() {
            return Ok(replies);
        }
        let frame = match timeout(left, body.frame()).await {
            Err(_) | Ok(None) => return Ok(replies),
            Ok(Some(frame)) => frame?,
        };
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        for event in parser
            .push(&bytes)
            .into_iter()
            .filter(|event| event.name == "message")
        {
            let reply = reply(&event)?;
            for token in &reply.tokens {
                missing.remove(&token.seq);
            }
            replies.push(reply);
            news = Instant::now();
        }
    }
}

pub fn reply(event: &Event) -> anyhow::Result<Reply> {
    #[derive(Deserialize)]
    struct Data {
        id: String,
        text: String,
        turn: Option<String>,
    }
    let data: Data = serde_json::from_str(&event.data)
        .with_context(|| format!("odd message event {}", event.data))?;
    let number = event
        .id
        .as_deref()
        .context("a message event without an id")?;
    let number = number
        .parse()
        .with_context(|| format!("odd event id {number}"))?;
    Ok(Reply {
        number,
        id: data.id,
        turn: data.turn,
        tokens: tokens(&data.text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, data: &str) -> Event {
        Event {
            id: id.map(str::to_owned),
            name: "message".to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn a_message_event_tells_which_messages_it_answers() -> anyhow::Result<()> {
        let data = r#"{"id":"t1-0","text":"saw <<c1:1>> <<c1:2>>","turn":"t1"}"#;
        let reply = reply(&event(Some("12"), data))?;
        assert_eq!(
            (reply.number, reply.id.as_str(), reply.turn.as_deref()),
            (12, "t1-0", Some("t1"))
        );
        assert_eq!(
            reply
                .tokens
                .iter()
                .map(|token| token.seq)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        Ok(())
    }

    #[test]
    fn a_message_without_a_number_is_refused() {
        assert!(reply(&event(None, r#"{"id":"a","text":"b"}"#)).is_err());
        assert!(reply(&event(Some("x"), r#"{"id":"a","text":"b"}"#)).is_err());
    }
}
