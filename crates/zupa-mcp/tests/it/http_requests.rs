//! What an HTTP tool sends, and what it never sends.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};
use zupa_core::{Effect, ErrorKind, Outcome, Tool};
use zupa_mcp::{HttpMethod, HttpTool, HttpToolConfig};

use crate::logs;
use crate::support::*;

async fn server() -> MockServer {
    logs::capture();
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "ok": true }));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

fn config(server: &MockServer, method: HttpMethod, place: &str) -> HttpToolConfig {
    let text = json!({ "type": "string" });
    HttpToolConfig {
        headers: BTreeMap::from([("Authorization".into(), format!("Bearer {KEY}").into())]),
        parameters: json!({
            "type": "object",
            "properties": { "id": text, "q": text, "tags": { "type": "array", "items": text },
                "amount": { "type": "integer" }, "gift": { "type": ["boolean", "null"] },
                "deep": { "type": "object" } },
            "required": ["id"],
        }),
        ..HttpToolConfig::new(
            "orders",
            method,
            format!("{}{place}", server.uri()),
            Effect::AT_MOST_ONCE,
        )
    }
}

/// As it is on the wire, without what every request has.
fn written(request: &Request) -> String {
    let mut place = request.url.path().to_owned();
    if let Some(query) = request.url.query() {
        place = format!("{place}?{query}");
    }
    let mut text = format!("{} {place}\n", request.method);
    for (name, value) in &request.headers {
        let skipped = ["host", "user-agent", "accept", "content-length"];
        if !skipped.contains(&name.as_str()) {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
    }
    text.push_str(&String::from_utf8_lossy(&request.body));
    text
}

async fn sent(config: HttpToolConfig, server: &MockServer, arguments: Value) -> String {
    let tool = HttpTool::new(config).unwrap();
    let called = tool.call(arguments, context(PATIENCE)).await;
    assert_eq!(called.unwrap().result, json!({ "ok": true }));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    written(&requests[0])
}

#[tokio::test]
async fn a_body_holds_what_the_address_does_not() {
    let server = server().await;
    let config = config(&server, HttpMethod::Post, "/orders/{id}?v=2");
    let arguments = json!({ "id": "a/b", "amount": 7, "gift": true, "deep": { "x": [1] } });
    assert_eq!(
        sent(config, &server, arguments).await,
        format!(
            "POST /orders/a%2Fb?v=2\nauthorization: Bearer {KEY}\ncontent-type: application/json\n\
             {}",
            r#"{"amount":7,"deep":{"x":[1]},"gift":true}"#
        )
    );
}

#[tokio::test]
async fn a_query_holds_what_the_address_does_not() {
    let server = server().await;
    let config = config(&server, HttpMethod::Get, "/orders/{id}?v=2");
    let arguments = json!({ "id": "é", "q": "a&b=c", "tags": ["x", "y z"], "gift": null });
    assert_eq!(
        sent(config, &server, arguments).await,
        format!(
            "GET /orders/%C3%A9?v=2&q=a%26b%3Dc&tags=x&tags=y+z\nauthorization: Bearer {KEY}\n"
        )
    );
}

#[tokio::test]
async fn every_method_is_sent_as_it_is_called() {
    for (method, word) in [
        (HttpMethod::Get, "GET /1\n"),
        (HttpMethod::Delete, "DELETE /1\n"),
        (HttpMethod::Post, "POST /1\n"),
        (HttpMethod::Put, "PUT /1\n"),
        (HttpMethod::Patch, "PATCH /1\n"),
    ] {
        let server = server().await;
        let config = config(&server, method, "/{id}");
        let written = sent(config, &server, json!({ "id": "1" })).await;
        assert!(written.starts_with(word), "{written}");
        assert!(!written.contains("idempotency-key"), "{written}");
    }
}

#[tokio::test]
async fn the_key_goes_with_idempotent_tools() {
    let server = server().await;
    let config = HttpToolConfig {
        effect: Effect::IDEMPOTENT,
        ..config(&server, HttpMethod::Post, "/{id}")
    };
    let written = sent(config, &server, json!({ "id": "1" })).await;
    let header = format!("idempotency-key: {}\n", key().to_hex());
    assert!(written.contains(&header), "{written}");
}

#[tokio::test]
async fn what_does_not_fit_never_reaches_the_wire() {
    let server = server().await;
    let get = HttpTool::new(config(&server, HttpMethod::Get, "/x/{id}/y")).unwrap();
    let post = HttpTool::new(config(&server, HttpMethod::Post, "/{id}")).unwrap();
    for (tool, arguments) in [
        (&get, json!({})),
        (&get, json!([CANARY])),
        (&get, json!({ "id": 7 })),
        (&get, json!({ "id": "1", "amount": CANARY })),
        (&get, json!({ "id": "1", "canary of a customer": 1 })),
        (&get, json!({ "id": "1", "deep": { "x": CANARY } })),
        (&get, json!({ "id": format!("../{CANARY}") })),
        (&get, json!({ "id": ".." })),
        (&get, json!({ "id": "" })),
        (&get, json!({ "id": "x".repeat(9_000) })),
        (&post, json!({ "id": "1", "q": "x".repeat(300 << 10) })),
    ] {
        let error = tool
            .call(arguments.clone(), context(PATIENCE))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied);
        assert_discreet(&error);
    }
    assert!(server.received_requests().await.unwrap().is_empty());
    logs::assert_discreet();
}

#[tokio::test]
async fn no_argument_changes_the_host() {
    let server = server().await;
    let other = self::server().await;
    let host = other.address().to_string();
    for place in ["/{id}", "/x/{id}", "?q={id}", "/x?next={id}&y=1"] {
        for id in [
            format!("@{host}"),
            format!("//{host}/"),
            format!("http://{host}/"),
            format!(".{host}"),
            format!(":80@{host}"),
            format!("\\\\{host}"),
            format!("#@{host}"),
            format!("?@{host}"),
        ] {
            let tool = HttpTool::new(config(&server, HttpMethod::Get, place)).unwrap();
            let _ = tool.call(json!({ "id": id }), context(PATIENCE)).await;
        }
    }
    assert!(other.received_requests().await.unwrap().is_empty());
    assert!(!server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_broken_configuration_makes_no_tool() {
    let server = server().await;
    let config = HttpToolConfig {
        url: format!("http://{{id}}.{}/", server.address()),
        effect: Effect::RECONCILE,
        ..config(&server, HttpMethod::Get, "/")
    };
    let error = HttpTool::new(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    for part in ["url", "reconcile"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_discreet(&error);
}

#[tokio::test]
async fn secrets_do_not_print() {
    let server = server().await;
    let config = config(&server, HttpMethod::Get, &format!("/{{id}}?key={KEY}"));
    let tool = HttpTool::new(config.clone()).unwrap();
    let printed = format!("{tool:?} {config:?}");
    assert!(
        printed.contains("orders") && !printed.contains(KEY),
        "{printed}"
    );
}
