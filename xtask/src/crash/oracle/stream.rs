//! The body of a model answer: server-sent chunks with pauses between them,
//! and the knowledge whether all of it was taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use serde_json::json;
use tokio::sync::mpsc;

/// Called once, with whether the connection took the whole body.
pub type End = Box<dyn FnOnce(bool) + Send + Sync>;

pub struct Stream {
    chunks: mpsc::Receiver<Bytes>,
    end: Option<End>,
}

impl Stream {
    pub fn start(chunks: Vec<Bytes>, pause: Duration, end: End) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            for chunk in chunks {
                // The receiver is gone when the server died in mid-stream.
                if sender.send(chunk).await.is_err() {
                    return;
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        });
        Self {
            chunks: receiver,
            end: Some(end),
        }
    }

    fn ended(&mut self, complete: bool) {
        if let Some(end) = self.end.take() {
            end(complete);
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = std::task::ready!(self.chunks.poll_recv(cx));
        if chunk.is_none() {
            self.ended(true);
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.ended(false);
    }
}

/// The chunks of a streamed chat completion that says `text`.
pub fn chunks(call: u64, text: &str) -> Vec<Bytes> {
    let chunk = |choices, usage: serde_json::Value| {
        let id = format!("chatcmpl-{call}");
        let chunk = json!({ "id": id, "object": "chat.completion.chunk", "created": 0, "model": "fake", "choices": choices, "usage": usage });
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let none = serde_json::Value::Null;
    let delta = |content: &str| json!([{ "index": 0, "delta": { "role": "assistant", "content": content }, "finish_reason": none }]);
    let mut pieces: Vec<Bytes> = text
        .split_inclusive(' ')
        .map(|piece| chunk(delta(piece), none.clone()))
        .collect();
    let stop = json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]);
    pieces.push(chunk(stop, none.clone()));
    pieces.push(chunk(
        json!([]),
        json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 }),
    ));
    pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
    pieces
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use http_body_util::BodyExt as _;

    use super::*;

    fn watched() -> (End, Arc<Mutex<Vec<bool>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::clone(&seen);
        let end = move |complete| {
            ends.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(complete)
        };
        (Box::new(end), seen)
    }

    fn ends(seen: &Mutex<Vec<bool>>) -> Vec<bool> {
        seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[tokio::test]
    async fn a_body_read_to_its_end_is_complete() -> anyhow::Result<()> {
        let (end, seen) = watched();
        let body = Stream::start(chunks(1, "saw <<c1:1>> <<c1:2>>"), Duration::ZERO, end);
        let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        assert_eq!(ends(&seen), [true]);
        assert!(
            text.contains(r#""content":"<<c1:2>>""#) && text.ends_with("data: [DONE]\n\n"),
            "{text}"
        );
        Ok(())
    }

    #[tokio::test]
    async fn a_dropped_body_is_not_complete() {
        let (end, seen) = watched();
        let mut body = Stream::start(chunks(1, "saw <<c1:1>>"), Duration::ZERO, end);
        let _ = body.frame().await;
        drop(body);
        assert_eq!(ends(&seen), [false]);
    }
}
