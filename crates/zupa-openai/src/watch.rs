//! How long to wait for bytes, and how a body ended.
//!
//! async-openai reads the body in a task of its own, without deadlines and
//! without bounds, skips keep-alive comments, swallows `[DONE]` and turns every
//! failure into text. So the bytes are watched before it sees them: time and
//! size are checked here, and the true end is kept for `answer` to look up.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::OpenAiConfig;
use crate::error::Failure;

/// Longest wait that is taken literally; adding more to an instant may overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A whole answer. A token costs some 350 bytes on the wire.
const MAX_BYTES: usize = 64 << 20;
/// A line. The event parser scans an unfinished line anew with every piece.
const MAX_LINE: usize = 256 << 10;

/// What the last event says. async-openai stops reading there, one step before
/// the end of the body.
const DONE: &[u8] = b"[DONE]";
/// As much as `DONE` and a blank line need to be seen across two pieces.
const TAIL: usize = 16;
/// How long the end of a body may take after that.
const END_WAIT: Duration = Duration::from_millis(100);

/// Which wait was in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    FirstByte(Duration),
    Idle(Duration),
    Total(Duration),
}

/// The deadlines of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    started: Instant,
    first_byte: Duration,
    idle: Duration,
    total: Duration,
}

impl Waits {
    pub(crate) fn start(config: &OpenAiConfig, total: Duration) -> Self {
        Self {
            started: Instant::now(),
            first_byte: config.first_byte_timeout.min(LONGEST),
            idle: config.idle_timeout.min(LONGEST),
            total: total.min(LONGEST),
        }
    }

    pub(crate) fn for_first_byte(&self) -> (Instant, Silence) {
        let wait = self.first_byte;
        self.earlier(self.started + wait, Silence::FirstByte(wait))
    }

    fn for_next_byte(&self) -> (Instant, Silence) {
        self.earlier(Instant::now() + self.idle, Silence::Idle(self.idle))
    }

    fn earlier(&self, at: Instant, silence: Silence) -> (Instant, Silence) {
        let end = self.started + self.total;
        if end <= at {
            (end, Silence::Total(self.total))
        } else {
            (at, silence)
        }
    }
}

/// How a body came to its end.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// The server ended it in form.
    Closed,
    /// It broke, or the waiting did.
    Failed(Failure),
}

/// The watch over one call, shared by the exchange and the reader.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    waits: Waits,
    end: Arc<OnceLock<End>>,
    done: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new(waits: Waits) -> Self {
        Self {
            waits,
            end: Arc::default(),
            done: Arc::default(),
        }
    }

    /// `None`: the reading stopped before the end. Holds as soon as the stream
    /// of chunks has ended.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// Whether the bytes held a `[DONE]`. A text may hold one too, so it counts
    /// only where the reading stopped before the end; and reading may stop
    /// without one, when the runtime shuts down.
    pub(crate) fn saw_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Passes a body through, until it ends or has to.
    pub(crate) fn over<S, B>(
        self,
        bytes: S,
    ) -> impl Stream<Item = Result<B, Infallible>> + Send + 'static
    where
        S: Stream<Item = reqwest::Result<B>> + Send + 'static,
        B: AsRef<[u8]> + Send + 'static,
    {
        let body = Body {
            bytes: Box::pin(bytes),
            watch: self,
            size: 0,
            line: 0,
            tail: Vec::new(),
        };
        stream::unfold(body, |mut body| async move {
            match body.next().await {
                Ok(piece) => Some((Ok(piece), body)),
                Err(end) => {
                    // A body ends once; nobody else sets it.
                    let _ = body.watch.end.set(end);
                    None
                }
            }
        })
    }
}

/// A body under watch.
struct Body<S> {
    bytes: std::pin::Pin<Box<S>>,
    watch: Watch,
    size: usize,
    line: usize,
    tail: Vec<u8>,
}

impl<S, B> Body<S>
where
    S: Stream<Item = reqwest::Result<B>>,
    B: AsRef<[u8]>,
{
    async fn next(&mut self) -> Result<B, End> {
        let waits = self.watch.waits;
        let (deadline, silence) = match self.size {
            0 => waits.for_first_byte(),
            _ => waits.for_next_byte(),
        };
        // Cancelling is safe: the body is dropped with the call, and with it
        // the connection.
        let piece = match timeout_at(deadline, self.bytes.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => return Err(End::Failed(Failure::broken(error))),
            Ok(None) => return Err(End::Closed),
            Err(_) => return Err(End::Failed(Failure::Silence(silence))),
        };
        let bytes = piece.as_ref();
        // The event parser panics at a byte order mark, and quotes the text.
        if self.size == 0 && bytes.first() == Some(&0xEF) {
            return Err(End::Failed(Failure::Undecodable));
        }
        self.size += bytes.len();
        self.line = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => bytes.len() - at - 1,
            None => self.line + bytes.len(),
        };
        if self.size > MAX_BYTES || self.line > MAX_LINE {
            return Err(End::Failed(Failure::TooLong));
        }
        if self.ends_with_done(bytes) {
            // A connection whose body was not read to its end is closed, and
            // the next call pays for a new one, TLS and all.
            let _ = timeout(END_WAIT, self.bytes.next()).await;
        }
        Ok(piece)
    }

    /// Notes a `[DONE]`; true if it is the last event and complete.
    fn ends_with_done(&mut self, bytes: &[u8]) -> bool {
        self.tail.extend_from_slice(bytes);
        if self.tail.windows(DONE.len()).any(|window| window == DONE) {
            self.watch.done.store(true, Ordering::Release);
        }
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        let is_complete = self.tail.ends_with(b"\n\n") || self.tail.ends_with(b"\r\n\r\n");
        is_complete && self.tail.trim_ascii_end().ends_with(DONE)
    }
}
