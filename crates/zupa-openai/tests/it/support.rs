//! Scripts, models and checks that the tests share.

use std::error::Error as _;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use zupa_core::model::collect;
use zupa_core::{
    Completion, Error, FinishReason, Model, ModelEvent, ModelRequest, Prompt, Result, Role,
};
use zupa_openai::{OpenAiConfig, OpenAiModel};

use crate::logs;
use crate::server::{Server, Step};

/// Stands for what people write: in every prompt and in every body.
pub const CANARY: &str = "canary of a customer";
/// Stands for the secret.
pub const KEY: &str = "key-that-nobody-may-see";
/// Longer than any test waits on purpose, shorter than anybody's patience.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Waits that end soon, so that a test of one of them is short.
pub fn config(base_url: &str) -> OpenAiConfig {
    OpenAiConfig {
        base_url: base_url.to_owned(),
        model: "test-model".to_owned(),
        api_key: Some(KEY.into()),
        first_byte_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        ..OpenAiConfig::default()
    }
}

pub fn model(server: &Server) -> OpenAiModel {
    OpenAiModel::new(config(&server.base_url)).unwrap()
}

pub fn request() -> ModelRequest {
    let messages = vec![
        Prompt::line(Role::System, "Be brief."),
        Prompt::line(Role::User, CANARY),
    ];
    ModelRequest::new(messages, PATIENCE)
}

pub async fn complete(model: &OpenAiModel) -> Result<Completion> {
    collect(model.stream(request()).await?, |_| {}).await
}

/// What a model makes of a script.
pub async fn answer_to(script: Vec<Step>) -> Completion {
    let server = Server::start(script).await;
    complete(&model(&server)).await.unwrap()
}

/// How a model fails on a script: after exactly one request, and discreetly.
pub async fn failure_on(script: Vec<Step>) -> Error {
    failure_with(script, |config| config).await
}

pub async fn failure_with(
    script: Vec<Step>,
    change: impl FnOnce(OpenAiConfig) -> OpenAiConfig,
) -> Error {
    logs::capture();
    let server = Server::start(script).await;
    let model = OpenAiModel::new(change(config(&server.base_url))).unwrap();
    let error = complete(&model).await.unwrap_err();
    assert_eq!(server.seen().len(), 1, "requests on {error:?}");
    assert_discreet(&error);
    logs::assert_discreet();
    error
}

/// Neither form of the error, nor of anything beneath it, quotes a body or the
/// key.
#[track_caller]
pub fn assert_discreet(error: &Error) {
    let mut forms = vec![format!("{error} {error:?} {:?}", error.clone())];
    let mut beneath = error.source();
    while let Some(source) = beneath {
        forms.push(format!("{source} {source:?}"));
        beneath = source.source();
    }
    for form in forms {
        assert!(!form.contains("canary") && !form.contains(KEY), "{form}");
    }
}

/// Texts and the end of an answer, as they come.
pub async fn events(model: &OpenAiModel) -> Vec<ModelEvent> {
    let stream = model.stream(request()).await.unwrap();
    stream.map(|event| event.unwrap()).collect().await
}

pub fn said(text: &str, finish: FinishReason) -> Completion {
    Completion {
        text: text.to_owned(),
        calls: Vec::new(),
        finish,
        usage: None,
        model: None,
    }
}

/// The head of a good answer that ends with its connection.
pub fn head() -> Step {
    send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
}

/// The head of a good answer whose end must be said, so that a cut shows.
pub fn chunked_head() -> Step {
    send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
}

/// A piece of an answer with a [`chunked_head`].
pub fn piece(text: &str) -> Step {
    send(format!("{:x}\r\n{text}\r\n", text.len()))
}

pub fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(bytes.into())
}

pub fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

pub fn delta(text: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]}))
}

pub fn finish(reason: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

pub const DONE: &str = "data: [DONE]\n\n";

/// A whole good answer out of events.
pub fn stream_of(events: &[String]) -> Vec<Step> {
    vec![head(), send(events.concat())]
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A stream of `tests/fixtures`.
pub fn recorded(name: &str) -> Vec<Step> {
    vec![head(), send(fixture(name))]
}

/// A whole answer of another kind; every body holds the canary.
pub fn answer(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![send(format!(
        "HTTP/1.1 {status} Whatever\r\n{headers}content-length: {length}\r\n\r\n{body}"
    ))]
}

pub const JSON: &str = "content-type: application/json\r\n";
pub const HTML: &str = "content-type: text/html; charset=utf-8\r\n";

/// An error body as OpenAI writes them.
pub fn fault(kind: &str, code: Value) -> String {
    json!({"error": {"message": CANARY, "type": kind, "param": CANARY, "code": code}}).to_string()
}
