//! The event stream of one conversation, read by a thread of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, http};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    /// The number in the conversation; signs have none.
    pub number: Option<u64>,
    pub data: Value,
}

/// A committed line: who spoke and what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub number: u64,
    /// `inbound` is the person, `message` the agent.
    pub from: String,
    pub text: String,
}

/// An open stream. Closes when dropped.
#[derive(Debug)]
pub struct Feed {
    socket: TcpStream,
    events: Receiver<Event>,
}

impl Feed {
    /// Opens a conversation's stream behind a number.
    #[track_caller]
    pub fn open(address: SocketAddr, conversation: &str, after: u64) -> Self {
        Self::at(
            address,
            &format!("/chat/{conversation}/events?after={after}"),
        )
    }

    #[track_caller]
    pub fn at(address: SocketAddr, path: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n"
        )
        .unwrap();
        let mut stream = BufReader::new(socket.try_clone().unwrap());
        let (status, _) = http::read_head(&mut stream).unwrap();
        assert_eq!(status, 200, "{path}");
        let (sender, events) = channel();
        std::thread::spawn(move || {
            let mut body = BufReader::new(Chunks { stream, left: 0 });
            while let Some(event) = read_event(&mut body) {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { socket, events }
    }

    /// The next event within `limit`; `None` when there is none, or the stream
    /// ended.
    pub fn next(&self, limit: Duration) -> Option<Event> {
        self.events.recv_timeout(limit).ok()
    }

    /// Reads up to the first event that fits, which is the last of the answer.
    #[track_caller]
    pub fn until(&self, what: &str, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let start = Instant::now();
        let mut seen = Vec::new();
        while let Some(event) = self.next(PATIENCE.saturating_sub(start.elapsed())) {
            let done = fits(&event);
            seen.push(event);
            if done {
                return seen;
            }
        }
        panic!("the stream did not show {what}, but {seen:#?}");
    }

    /// Reads up to an answer that contains a text.
    #[track_caller]
    pub fn until_said(&self, text: &str) -> Vec<Event> {
        self.until(text, |event| {
            event.name == "message"
                && event.data["text"]
                    .as_str()
                    .is_some_and(|said| said.contains(text))
        })
    }

    /// Reads up to a stage of a turn's life, which only `dev` shows.
    #[track_caller]
    pub fn until_stage(&self, stage: &str) -> Vec<Event> {
        self.until(stage, |event| {
            event.name == "turn" && event.data["stage"] == stage
        })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// The committed lines among events.
pub fn lines(events: &[Event]) -> Vec<Line> {
    events
        .iter()
        .filter_map(|event| {
            Some(Line {
                number: event.number?,
                from: event.name.clone(),
                text: event.data["text"].as_str()?.to_owned(),
            })
        })
        .collect()
}

fn read_event(body: &mut impl BufRead) -> Option<Event> {
    let mut event = Event {
        name: "message".to_owned(),
        number: None,
        data: Value::Null,
    };
    let mut line = String::new();
    loop {
        line.clear();
        if body.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let text = line.trim_end();
        if text.is_empty() {
            if event.data != Value::Null {
                return Some(event);
            }
            continue;
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.name),
            "id" => event.number = value.parse().ok(),
            "data" => event.data = serde_json::from_str(value).ok()?,
            // Comments keep the connection, `retry` is for browsers.
            _ => {}
        }
    }
}

/// A body in chunks, without the chunks.
#[derive(Debug)]
struct Chunks {
    stream: BufReader<TcpStream>,
    left: usize,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut size = String::new();
            // The line end of the chunk before stands first.
            while size.trim().is_empty() {
                size.clear();
                if self.stream.read_line(&mut size)? == 0 {
                    return Ok(0);
                }
            }
            self.left = usize::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = self.left.min(into.len());
        let read = self.stream.read(&mut into[..most])?;
        self.left -= read;
        Ok(read)
    }
}
