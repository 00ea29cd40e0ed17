//! Streamable HTTP where it goes wrong; where it goes right is in `everything`.

use serde_json::{Value, json};
use tokio::net::TcpListener;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};
use zupa_core::{Error, ErrorKind, Outcome, Retry};
use zupa_mcp::{McpConfig, McpServer, Reach};

use crate::logs;
use crate::support::*;

fn config(url: String) -> McpConfig {
    logs::capture();
    McpConfig {
        name: "web".into(),
        reach: Reach::Http {
            url,
            bearer: Some(KEY.into()),
            connect_timeout: PATIENCE,
        },
        restart_pause: std::time::Duration::from_millis(50),
        ..McpConfig::default()
    }
}

/// A server that lists one tool, and answers its calls as a test wants.
struct Script(fn(&Value) -> ResponseTemplate);

impl Respond for Script {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let result = match message["method"].as_str().unwrap_or_default() {
            "initialize" => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "web", "version": "0" },
            }),
            "tools/list" => json!({ "tools": [
                { "name": "go", "inputSchema": { "type": "object" } }] }),
            "tools/call" => return self.0(&message),
            _ => return ResponseTemplate::new(202),
        };
        answer(&message, result)
    }
}

fn answer(request: &Value, result: Value) -> ResponseTemplate {
    let id = &request["id"];
    let body = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    ResponseTemplate::new(200)
        .insert_header("mcp-session-id", "s1")
        .set_body_json(body)
}

async fn error_of(script: fn(&Value) -> ResponseTemplate) -> Error {
    let web = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(Script(script))
        .mount(&web)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(405))
        .mount(&web)
        .await;
    let server = McpServer::start(config(web.uri())).await.unwrap();
    let calling = tool(&server, "web_go");
    let error = calling
        .call(no_arguments(), context(PATIENCE))
        .await
        .unwrap_err();
    assert_discreet(&error);
    logs::assert_discreet();
    error
}

#[tokio::test]
async fn refusals_and_failures_are_classified() {
    let limited = |_: &Value| {
        ResponseTemplate::new(429)
            .insert_header("retry-after", "7")
            .set_body_string(CANARY)
    };
    let error = error_of(limited).await;
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_eq!(
        error.retry(),
        Retry::After(std::time::Duration::from_secs(7))
    );

    let error = error_of(|_| ResponseTemplate::new(401).set_body_string(CANARY)).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.outcome(), Outcome::NotApplied);

    let error = error_of(|_| ResponseTemplate::new(500).set_body_string(CANARY)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = MockServer::start().await;
    let url = elsewhere.uri();
    *ELSEWHERE.lock().unwrap() = url;
    let error = error_of(|_| {
        let url = ELSEWHERE.lock().unwrap().clone();
        ResponseTemplate::new(307).insert_header("location", url)
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

static ELSEWHERE: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

#[tokio::test]
async fn a_forgotten_session_is_begun_anew_by_the_next_call() {
    // The two ways in which servers say it; the second names no request.
    for (status, body) in [
        (404, json!({ "error": "no such session" })),
        (
            400,
            json!({ "jsonrpc": "2.0", "error": { "code": -32000, "message": "No valid session" } }),
        ),
    ] {
        let web = MockServer::start().await;
        let lost = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(wiremock::matchers::body_string_contains("tools/call"))
            .respond_with(lost)
            .up_to_n_times(1)
            .mount(&web)
            .await;
        Mock::given(method("POST"))
            .respond_with(Script(|request| {
                let text = json!({ "type": "text", "text": "again" });
                answer(request, json!({ "content": [text] }))
            }))
            .mount(&web)
            .await;
        let server = McpServer::start(config(web.uri())).await.unwrap();
        let go = tool(&server, "web_go");
        let error = go.call(no_arguments(), context(PATIENCE)).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        until("the next session", async || {
            let called = go.call(no_arguments(), context(PATIENCE)).await;
            called.is_ok_and(|output| output.result == "again")
        })
        .await;
        // Which listed its tools before anything was called.
        let requests = web.received_requests().await.unwrap();
        let lists = requests
            .iter()
            .filter(|request| String::from_utf8_lossy(&request.body).contains("tools/list"));
        assert_eq!(lists.count(), 2);
    }
}

#[tokio::test]
async fn without_a_connection_nothing_starts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    drop(listener);
    let error = McpServer::start(config(url)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_discreet(&error);
}
