//! A model server that speaks the OpenAI protocol, well or badly, and remembers
//! what it was asked.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Start, eventually, http};

/// Stands for the provider's key.
pub const KEY: &str = "the-key-of-the-provider";

/// How the server behaves, from now on.
#[derive(Debug, Clone, PartialEq)]
pub enum Mood {
    /// Answers `echo of` the last message, in pieces.
    Well,
    /// Answers with a status, more headers and a body.
    Refuses(u16, &'static str, &'static str),
    /// Answers with a page, as a proxy in front would.
    Html,
    /// Begins to answer and hangs up.
    CutsOff,
    /// Takes the request and says nothing.
    Silent,
    /// Answers like a good one, with a pause before each piece.
    Slowly(Duration),
    /// Writes this much of an answer, then waits until the mood changes.
    Stalls(&'static str),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub authorization: Option<String>,
    pub body: Value,
}

#[derive(Debug)]
struct State {
    mood: Mutex<Mood>,
    changed: Condvar,
    asked: Mutex<Vec<Asked>>,
}

/// The running server.
#[derive(Debug)]
pub struct FakeModel {
    base_url: String,
    state: Arc<State>,
}

impl FakeModel {
    pub fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new(State {
            mood: Mutex::new(mood),
            changed: Condvar::new(),
            asked: Mutex::default(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that hangs up is a client that hung up.
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self { base_url, state }
    }

    /// Makes a server use this model.
    pub fn behind<'a>(&self, start: Start<'a>) -> Start<'a> {
        start
            .set("model.provider", "openai")
            .set("model.name", "fake")
            .set("model.base_url", &self.base_url)
            .set("model.api_key", "env:FAKE_KEY")
            .variable("FAKE_KEY", KEY)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.base_url
    }

    /// Host and port, for whoever stands between.
    pub fn address(&self) -> &str {
        let rest = self.base_url.trim_start_matches("http://");
        rest.trim_end_matches("/v1")
    }

    pub fn mood(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
        self.state.changed.notify_all();
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Waits for the n-th request, counted from 1.
    #[track_caller]
    pub fn wait_asked(&self, number: usize) {
        eventually("the model is asked", || {
            (self.asked().len() >= number).then_some(())
        });
    }
}

fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    http::read_line(&mut stream)?;
    let headers = http::read_headers(&mut stream)?;
    let find = |name: &str| headers.iter().find(|(key, _)| key == name);
    let length = find("content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body: Value = match length {
        0 => Value::Null,
        _ => serde_json::from_slice(&body)?,
    };
    let last = body["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .map(|message| message["content"].clone());
    let last = last.and_then(|text| text.as_str().map(str::to_owned));
    let mood = state.mood.lock().unwrap().clone();
    state.asked.lock().unwrap().push(Asked {
        authorization: find("authorization").map(|(_, value)| value.clone()),
        body,
    });
    answer(stream.get_mut(), &mood, &last.unwrap_or_default(), state)
}

fn answer(to: &mut TcpStream, mood: &Mood, last: &str, state: &State) -> std::io::Result<()> {
    match mood {
        Mood::Well | Mood::Slowly(_) => {
            head(to)?;
            for piece in ["echo", " of ", last] {
                if let Mood::Slowly(pause) = mood {
                    std::thread::sleep(*pause);
                }
                delta(to, piece)?;
            }
            data(
                to,
                &json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
            )?;
            to.write_all(b"data: [DONE]\n\n")
        }
        Mood::Refuses(status, headers, body) => write!(
            to,
            "HTTP/1.1 {status} No\r\ncontent-type: application/json\r\n{headers}\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ),
        Mood::Html => {
            let page = format!("<html><body>Welcome! You said {last}</body></html>");
            write!(
                to,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{page}",
                page.len()
            )
        }
        Mood::CutsOff => {
            // Chunked, so that the end is missed.
            to.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                  transfer-encoding: chunked\r\n\r\n",
            )?;
            let piece = format!("data: {}\n\n", chunk(json!({ "content": "half of" })));
            write!(to, "{:x}\r\n{piece}\r\n", piece.len())
        }
        Mood::Silent => wait_for_another(mood, state),
        Mood::Stalls(begun) => {
            head(to)?;
            delta(to, begun)?;
            wait_for_another(mood, state)
        }
    }
}

fn head(to: &mut TcpStream) -> std::io::Result<()> {
    to.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
}

fn delta(to: &mut TcpStream, text: &str) -> std::io::Result<()> {
    data(to, &chunk(json!({ "content": text })))
}

fn chunk(delta: Value) -> Value {
    json!({
        "id": "c", "object": "chat.completion.chunk", "created": 0, "model": "fake",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": null }],
    })
}

fn data(to: &mut TcpStream, value: &Value) -> std::io::Result<()> {
    write!(to, "data: {value}\n\n")
}

fn wait_for_another(mood: &Mood, state: &State) -> std::io::Result<()> {
    let now = state.mood.lock().unwrap();
    let same = |now: &mut Mood| now == mood;
    drop(
        state
            .changed
            .wait_timeout_while(now, Duration::from_secs(60), same),
    );
    Ok(())
}
