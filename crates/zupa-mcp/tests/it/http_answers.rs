//! What an HTTP tool makes of answers.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};
use zupa_core::{Effect, Error, ErrorKind, Outcome, Result, Retry, Tool, ToolOutput};
use zupa_mcp::{HttpMethod, HttpTool, HttpToolConfig};

use crate::logs;
use crate::support::*;

fn tool(url: String) -> HttpTool {
    logs::capture();
    let config = HttpToolConfig {
        headers: [("x-key".to_owned(), KEY.into())].into(),
        ..HttpToolConfig::new("orders", HttpMethod::Post, url, Effect::AT_MOST_ONCE)
    };
    HttpTool::new(config).unwrap()
}

async fn call(url: String, timeout: Duration) -> Result<ToolOutput> {
    let tool = tool(url);
    // The runtime's own limit is the same: it must never be the one that strikes.
    let calling = tool.call(no_arguments(), context(timeout));
    let called = tokio::time::timeout(timeout, calling).await.unwrap();
    if let Err(error) = &called {
        assert_discreet(error);
        assert!(error.to_string().contains("tool: orders"), "{error}");
    }
    logs::assert_discreet();
    called
}

async fn answered(answer: ResponseTemplate) -> Result<ToolOutput> {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let called = call(server.uri(), PATIENCE).await;
    // One call is one request, whatever comes of it.
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    called
}

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, outcome: Outcome) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert_eq!(error.outcome(), outcome, "{error:?}");
}

#[tokio::test]
async fn answers_keep_their_kind() {
    let ok = |status| ResponseTemplate::new(status);
    for (answer, result) in [
        (
            ok(200).set_body_json(json!({ "a": [1] })),
            json!({ "a": [1] }),
        ),
        (ok(201).set_body_string("done"), json!("done")),
        (ok(204), json!({ "status": 204 })),
        (
            ok(200).set_body_raw([1, 2, 3], "image/png"),
            json!({ "type": "file", "mime": "image/png", "bytes": 3 }),
        ),
    ] {
        assert_eq!(answered(answer).await.unwrap().result, result);
    }
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let body = "x".repeat(1 << 20);
    let result = answered(ResponseTemplate::new(200).set_body_string(body)).await;
    let result = result.unwrap().result;
    let text = result.as_str().unwrap();
    assert_eq!(text.len(), (256 << 10) + " [cut]".len());
}

#[tokio::test]
async fn statuses_say_what_became_of_the_call() {
    for (status, kind, outcome) in [
        (400, ErrorKind::Invalid, Outcome::NotApplied),
        (401, ErrorKind::Unauthorized, Outcome::NotApplied),
        (404, ErrorKind::NotFound, Outcome::NotApplied),
        (408, ErrorKind::Timeout, Outcome::NotApplied),
        (500, ErrorKind::Unavailable, Outcome::Unknown),
        (503, ErrorKind::Unavailable, Outcome::Unknown),
    ] {
        let answer = ResponseTemplate::new(status).set_body_string(CANARY);
        let error = answered(answer).await.unwrap_err();
        assert_error(&error, kind, outcome);
        // The model is told no more than this.
        assert!(error.message().contains(&status.to_string()), "{error}");
    }
}

/// No status of an error is left to chance on the way here, either.
#[tokio::test]
async fn every_status_arrives_as_itself() {
    let server = MockServer::start().await;
    let as_asked = |request: &Request| {
        let status = request.url.path().trim_start_matches('/').parse::<u16>();
        ResponseTemplate::new(status.unwrap()).set_body_string(CANARY)
    };
    Mock::given(any())
        .respond_with(as_asked)
        .mount(&server)
        .await;
    for status in 400..600 {
        let error = call(format!("{}/{status}", server.uri()), PATIENCE).await;
        let error = error.unwrap_err();
        let said = ("status", status.to_string());
        assert!(error.context().contains(&said), "{error:?}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 200);
}

#[tokio::test]
async fn the_servers_delay_is_kept() {
    for (status, kind) in [(429, ErrorKind::RateLimited), (503, ErrorKind::Unavailable)] {
        let answer = ResponseTemplate::new(status).insert_header("retry-after", "7");
        let error = answered(answer).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        let answer = ResponseTemplate::new(status).insert_header("location", elsewhere.uri());
        let error = answered(answer).await.unwrap_err();
        assert_error(&error, ErrorKind::Protocol, Outcome::Unknown);
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_connection_nothing_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = call(url, PATIENCE).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, Outcome::NotApplied);
    assert_eq!(error.retry(), Retry::Now);
}

#[tokio::test]
async fn without_a_name_nothing_happened() {
    let url = "http://nobody.invalid/".to_owned();
    let error = call(url, PATIENCE).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, Outcome::NotApplied);
    assert_eq!(error.retry(), Retry::Now);
}

/// A server that speaks no TLS where it is expected.
#[tokio::test]
async fn without_a_handshake_nothing_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await
    });
    let error = call(url, PATIENCE).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, Outcome::NotApplied);
    assert_eq!(error.retry(), Retry::Now);
}

/// What is no HTTP may be the answer to a request that was carried out.
#[tokio::test]
async fn an_answer_that_cannot_be_read_leaves_the_outcome_unknown() {
    let error = call(raw("not http at all\r\n\r\n", true).await, PATIENCE).await;
    let error = error.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, Outcome::Unknown);
}

/// A server that reads a request, answers these bytes, and then hangs up or
/// holds the line.
async fn raw(answer: &'static str, holds: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"{}") {
            stream.read_buf(&mut seen).await.unwrap();
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        if holds {
            std::future::pending::<()>().await;
        }
    });
    url
}

#[tokio::test]
async fn silence_after_the_request_leaves_the_outcome_unknown() {
    let error = call(raw("", true).await, Duration::from_millis(400)).await;
    let error = error.unwrap_err();
    assert_error(&error, ErrorKind::Timeout, Outcome::Unknown);
    let error = call(raw("", false).await, PATIENCE).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, Outcome::Unknown);
}

#[tokio::test]
async fn after_a_good_status_it_has_happened() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let error = call(raw(HEAD, true).await, Duration::from_millis(400)).await;
    assert_error(&error.unwrap_err(), ErrorKind::Timeout, Outcome::Applied);
    let error = call(raw(HEAD, false).await, PATIENCE).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, Outcome::Applied);
}

#[tokio::test]
async fn nobody_can_be_asked_what_became_of_a_call() {
    let config = HttpToolConfig::new("t", HttpMethod::Get, "http://localhost/", Effect::PURE);
    let probed = HttpTool::new(config)
        .unwrap()
        .probe(no_arguments(), context(PATIENCE))
        .await;
    assert_eq!(probed.unwrap(), zupa_core::Probe::Unknown);
}
