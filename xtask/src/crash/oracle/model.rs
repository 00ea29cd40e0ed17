//! The fake OpenAI-compatible server. It outlives every kill, answers each call
//! with the ids it was asked about, and records all of them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rand::Rng;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::log::{Log, Record};
use super::stream::{Stream, chunks};
use crate::crash::script::Script;
use crate::crash::words::{Token, dice, tokens};

/// The pause of an answer that is slow to begin.
const SLOW: Duration = Duration::from_secs(3);

type Answer = Response<BoxBody<Bytes, Infallible>>;

#[derive(Debug)]
pub struct Model {
    script: Script,
    log: Log,
    calls: AtomicU64,
    answered: Mutex<BTreeSet<Token>>,
    answers: watch::Sender<bool>,
}

impl Model {
    /// Starts to serve; returns the port.
    pub async fn serve(
        address: IpAddr,
        script: Script,
        log: Log,
    ) -> anyhow::Result<(u16, Arc<Self>)> {
        let listener = TcpListener::bind((address, 0))
            .await
            .context("the fake model cannot listen")?;
        let port = listener.local_addr()?.port();
        let model = Arc::new(Self {
            answers: watch::Sender::new(!script.stalls),
            script,
            log,
            calls: AtomicU64::new(0),
            answered: Mutex::default(),
        });
        tokio::spawn(accept(listener, Arc::clone(&model)));
        Ok((port, model))
    }

    /// Answers from now on, if it did not before.
    pub fn answers(&self) {
        self.answers.send_replace(true);
    }

    /// Whether a whole answer to this message has left.
    pub fn answered(&self, token: &Token) -> bool {
        self.answered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(token)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
        if request.method() != Method::POST || request.uri().path() != "/v1/chat/completions" {
            return Ok(plain(
                StatusCode::NOT_FOUND,
                "there is only POST /v1/chat/completions",
            ));
        }
        let body = request.into_body().collect().await?.to_bytes();
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let json: Value = match serde_json::from_slice(&body) {
            Ok(json) => json,
            Err(error) => {
                self.log.note(Record::OddCall {
                    call,
                    detail: format!("no JSON: {error}"),
                });
                return Ok(plain(StatusCode::BAD_REQUEST, "no JSON"));
            }
        };
        if json["stream"] != Value::Bool(true) {
            self.log.note(Record::OddCall {
                call,
                detail: "it did not ask for a stream".to_owned(),
            });
        }
        let asked = asked(&json);
        self.log.note(Record::Call {
            call,
            tokens: asked.clone(),
            digest: digest(&body),
        });
        // The sender lives in `self`, so it cannot be gone.
        let _ = self.answers.subscribe().wait_for(|answers| *answers).await;
        let (delay, pause) = self.pace(&asked);
        tokio::time::sleep(delay).await;
        match fault(&self.script, call) {
            None => Ok(self.stream(call, asked, pause, Ends::Well)),
            Some(Fault::CutsOff) => Ok(self.stream(call, asked, pause, Ends::HalfWay)),
            Some(Fault::Slow) => {
                tokio::time::sleep(SLOW).await;
                Ok(self.stream(call, asked, pause, Ends::Well))
            }
            Some(Fault::Refuses(status)) => Ok(plain(status, "as the script wants it")),
        }
    }

    fn stream(
        self: Arc<Self>,
        call: u64,
        asked: Vec<Token>,
        pause: Duration,
        ends: Ends,
    ) -> Answer {
        let seen: Vec<String> = asked.iter().map(Token::to_string).collect();
        let text = if seen.is_empty() {
            "saw nothing".to_owned()
        } else {
            format!("saw {}", seen.join(" "))
        };
        let end = Box::new(move |complete| {
            let complete = complete && ends == Ends::Well;
            if complete {
                self.answered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(asked);
            }
            self.log.note(Record::CallEnd { call, complete });
        });
        let mut chunks = chunks(call, &text);
        if ends == Ends::HalfWay {
            chunks.truncate(chunks.len() / 2);
        }
        let mut answer = Response::new(Stream::start(chunks, pause, end).boxed());
        answer.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("text/event-stream"),
        );
        answer
    }

    /// 0–15 ms, now and then 60 ms, a third of it before the first byte; and before all
    /// of it as long as the script wants.
    fn pace(&self, asked: &[Token]) -> (Duration, Duration) {
        if self.script.backlog {
            return (Duration::ZERO, Duration::ZERO);
        }
        let mut dice = dice(self.script.seed, ("model", asked));
        let millis = if dice.random_ratio(1, 20) {
            60
        } else {
            dice.random_range(0..=15)
        };
        let whole = Duration::from_millis(millis);
        let pieces = u32::try_from(asked.len() + 4).unwrap_or(u32::MAX);
        let thinks = Duration::from_millis(self.script.thinks_ms);
        (thinks + whole / 3, whole * 2 / 3 / pieces)
    }
}

/// Whether a stream says all it has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Well,
    HalfWay,
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fault {
    Refuses(StatusCode),
    CutsOff,
    Slow,
}

/// What goes wrong with a call, if anything: some of a thousand, by the seed.
fn fault(script: &Script, call: u64) -> Option<Fault> {
    let mut dice = dice(script.seed, ("fault", call));
    if dice.random_range(0..1_000) >= script.faults {
        return None;
    }
    Some(match dice.random_range(0..4) {
        0 => Fault::Refuses(StatusCode::INTERNAL_SERVER_ERROR),
        1 => Fault::Refuses(StatusCode::TOO_MANY_REQUESTS),
        2 => Fault::CutsOff,
        _ => Fault::Slow,
    })
}

async fn accept(listener: TcpListener, model: Arc<Model>) {
    // A failed accept is a connection that went away; the listener stays.
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let model = Arc::clone(&model);
        tokio::spawn(async move {
            let service = service_fn(move |request| Arc::clone(&model).answer(request));
            // The other end is killed all the time: an error here is expected.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *answer.status_mut() = status;
    answer
}

/// The messages a call asks about: the tokens of the user messages after the
/// last answer of the assistant.
fn asked(json: &Value) -> Vec<Token> {
    let messages = json["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let role = |message: &Value, role: &str| message["role"] == role;
    let last = messages
        .iter()
        .rposition(|message| role(message, "assistant"))
        .map_or(0, |last| last + 1);
    let new = messages[last..]
        .iter()
        .filter(|message| role(message, "user"));
    new.flat_map(|message| tokens(&content(&message["content"])))
        .collect()
}

/// Content is a string, or a list of parts some of which have a text.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

fn digest(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked_in(json: &Value) -> String {
        asked(json)
            .iter()
            .map(Token::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn only_what_came_after_the_last_answer_is_asked() {
        let call = json!({ "messages": [
            { "role": "system", "content": "be kind <<c1:99>>" },
            { "role": "user", "content": "a <<c1:1>>" },
            { "role": "assistant", "content": "saw <<c1:1>>" },
            { "role": "user", "content": "b <<c1:2>>" },
            { "role": "user", "content": [{ "type": "text", "text": "c <<c1:3>>" }, { "type": "image_url" }] },
        ]});
        assert_eq!(asked_in(&call), "<<c1:2>> <<c1:3>>");
    }

    #[test]
    fn about_as_many_calls_go_wrong_as_wanted_in_each_way() {
        let script = |faults| Script {
            faults,
            ..Script::plain(7)
        };
        let faults = (0..100_000).filter_map(|call| fault(&script(10), call));
        let mut ways = std::collections::HashMap::<Fault, u32>::new();
        faults.for_each(|fault| *ways.entry(fault).or_default() += 1);
        assert_eq!(ways.len(), 4);
        assert!(
            ways.values().all(|count| (150..350).contains(count)),
            "{ways:?}"
        );
        assert_eq!((0..1_000).find_map(|call| fault(&script(0), call)), None);
    }

    #[test]
    fn a_first_call_asks_about_everything() {
        let call =
            json!({ "messages": [{ "role": "user", "content": "a <<c1:1>> and <<c1:2>>" }] });
        assert_eq!(asked_in(&call), "<<c1:1>> <<c1:2>>");
        assert_eq!(asked_in(&json!({})), "");
    }
}
