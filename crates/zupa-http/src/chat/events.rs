//! `GET /chat/{conversation}/events`: the conversation as it grows.
//!
//! What arrives: a number to go on from. On leaving: every committed line above
//! it, in order, once; and passing signs while somebody looks. If the process
//! dies here the reader comes back with the last number it saw, to this process
//! or another: the stream holds nothing that the store does not.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::time::{Interval, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;
use zupa_core::desk::Speaker;
use zupa_core::{Address, Desk, Hint, HintFeed, Number, TurnId};

use super::Door;
use super::frame::{self, Reader};
use crate::parts::Shared;
use crate::problem::{Fault, Problem};

/// How many lines are read at a time; no stream holds more.
const PAGE: usize = 200;

/// Signs may be lost, so the store is asked this often.
const POLL: Duration = Duration::from_secs(1);

/// How soon a browser comes back by itself.
const COME_BACK: Duration = Duration::from_millis(500);

/// Keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The number a page has, when it opens a stream anew.
#[derive(Deserialize)]
pub(crate) struct Resume {
    after: Option<String>,
}

/// Opens the stream. The first page is read before the answer begins, so that
/// a store that fails is a 503 and not an empty stream.
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    door: Door,
    Query(resume): Query<Resume>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = resume_after(&headers, resume.after.as_deref())?;
    if shared.stop.is_cancelled() {
        return Err(Problem::later(
            "draining",
            "this process is stopping; come back",
            COME_BACK,
        ));
    }
    let mut watch = Watch {
        // Before the first read: what is committed in between is then a sign.
        feed: door.chat.hints().watch(door.address.clone()),
        desk: shared.desk.clone(),
        stop: shared.stop.clone(),
        address: door.address,
        reader: if shared.is_dev() {
            Reader::Phone
        } else {
            Reader::Client
        },
        after,
        committed: None,
        look: true,
        waiting: VecDeque::from([Event::default().retry(COME_BACK)]),
        then: None,
        poll: interval(POLL),
    };
    watch.poll.reset();
    watch
        .read_page()
        .await
        .map_err(|error| Problem::from_error(&error))?;

    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Nginx would otherwise hold the events back.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// One open stream. Dropped with its connection.
struct Watch {
    feed: HintFeed,
    desk: Arc<dyn Desk>,
    stop: CancellationToken,
    address: Address,
    reader: Reader,
    /// The last number that was read.
    after: Number,
    /// The turn of the agent's last line: what still comes of its draft is old.
    committed: Option<TurnId>,
    /// True when the store may hold more.
    look: bool,
    /// At most a page, and a sign.
    waiting: VecDeque<Event>,
    /// What follows once the store has been looked at.
    then: Option<Event>,
    poll: Interval,
}

impl Watch {
    /// Waits for the next event; `None` when the process stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.look {
                self.read_or_wait().await;
                continue;
            }
            if let Some(end) = self.then.take() {
                return Some(end);
            }
            // Each arm may be dropped: a sign is taken or it is not, a tick
            // that is missed comes again.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                hint = self.feed.next() => self.see(hint),
                _ = self.poll.tick() => self.look = true,
            }
        }
    }

    /// Turns a sign into an event, or into a look at the store.
    fn see(&mut self, hint: Option<Hint>) {
        let Some(hint) = hint else {
            self.look = true;
            return;
        };
        if frame::draft_of(&hint).is_some_and(|turn| Some(turn) == self.committed) {
            return;
        }
        match hint {
            Hint::Look => self.look = true,
            // The end of a draft must not overtake the message that replaces
            // it, or readers would show neither for a moment.
            Hint::End { .. } => {
                self.look = true;
                self.then = frame::of_hint(&hint, self.reader);
            }
            _ => self.waiting.extend(frame::of_hint(&hint, self.reader)),
        }
    }

    /// Reads a page. A store that fails is asked again at the next tick.
    async fn read_or_wait(&mut self) {
        if let Err(error) = self.read_page().await {
            debug!(%error, "could not read a conversation for its event stream");
            self.look = false;
        }
    }

    async fn read_page(&mut self) -> zupa_core::Result<()> {
        let lines = self.desk.lines(&self.address, self.after, PAGE).await?;
        self.look = lines.len() >= PAGE;
        for line in lines {
            self.after = self.after.max(line.number);
            if let Speaker::Agent(delivery) = &line.from {
                self.committed = Some(delivery.turn);
            }
            self.waiting.extend(frame::of_line(&line, self.reader));
        }
        Ok(())
    }
}

/// The header wins: a browser that reconnects by itself repeats the old URL.
fn resume_after(headers: &HeaderMap, query: Option<&str>) -> Result<Number, Problem> {
    let header = headers
        .get("last-event-id")
        .filter(|value| !value.is_empty())
        .map(|value| value.to_str().unwrap_or("not text"));
    let (text, pointer, place) = match (header, query) {
        (Some(header), _) => (header, "/last-event-id", "header"),
        (None, Some(query)) => (query, "/after", "query"),
        (None, None) => return Ok(Number(0)),
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        // Stores count in signed integers.
        Ok(number) if is_number => Ok(Number(number.min(i64::MAX.unsigned_abs()))),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_event_id",
            "a stream resumes behind a number",
        )
        .with_errors(vec![Fault {
            pointer: pointer.to_owned(),
            place,
            code: "not_a_number",
            detail: "give the id of the last event you saw".to_owned(),
        }])),
    }
}
