//! What becomes of answers, good and bad.

use std::time::Duration;

use serde_json::json;
use zupa_core::{Effect, ErrorKind, Outcome, Retry};
use zupa_mcp::Annotations;

use crate::logs;
use crate::support::*;

#[tokio::test]
async fn tools_are_listed_page_by_page_with_fit_names() {
    let fake = fake().await;
    let listed = fake.server.listed();
    assert_eq!(listed.len(), 25, "{listed:?}");
    for tool in &listed {
        assert_eq!(tool.name, format!("fake_{}", tool.tool));
        assert_eq!(tool.effect, Effect::AT_MOST_ONCE.approved());
        assert!(!tool.pinned);
    }
    let echo = fake.tool("echo");
    echo.spec().check().unwrap();
    assert_eq!(echo.spec().description, "says it again");
    // One tool has a schema that is none; it is named, and the others work.
    let refused = fake.server.refused();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].to_string().contains("tool: bad_schema"));
}

#[tokio::test]
async fn answers_reach_the_model_as_they_are() {
    let fake = fake().await;
    assert_eq!(
        fake.result("echo", json!({ "text": "hello" })).await,
        "hello"
    );
    assert_eq!(
        fake.result("fail", no_arguments()).await,
        json!({ "error": "tool_failed", "message": "no such city" })
    );
    assert_eq!(
        fake.result("refuse", no_arguments()).await,
        json!({ "error": "refused", "message": "city is unknown" })
    );
    assert_eq!(
        fake.result("picture", no_arguments()).await,
        json!({ "content": ["a picture", { "type": "image", "mime": "image/png", "bytes": 6 }] })
    );
}

#[tokio::test]
async fn arguments_that_do_not_fit_never_leave() {
    let fake = fake().await;
    let error = fake
        .call("count", json!({ "to": CANARY }))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert!(error.message().contains("/to"), "{error}");
    assert_discreet(&error);
    let long = json!({ "text": "x".repeat(300 << 10) });
    let error = fake.call("echo", long).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(fake.result("count", json!({ "to": 3 })).await, "done");
}

#[tokio::test]
async fn errors_of_a_server_are_classified_and_not_quoted() {
    let fake = fake().await;
    for (tool, kind, outcome) in [
        ("break", ErrorKind::Unavailable, Outcome::Unknown),
        ("strange", ErrorKind::Protocol, Outcome::Applied),
        ("input", ErrorKind::Unsupported, Outcome::Unknown),
    ] {
        let error = fake.call(tool, no_arguments()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!(error.outcome(), outcome, "{error:?}");
        assert_discreet(&error);
    }
    // None of them has ended the server.
    assert_eq!(
        fake.result("lives", no_arguments()).await,
        json!({ "lives": 1 })
    );
}

#[tokio::test]
async fn huge_output_is_cut() {
    let fake = fake().await;
    let result = fake.result("huge", no_arguments()).await;
    let text = result.as_str().unwrap();
    assert!(text.len() < (256 << 10) + 100);
    assert!(text.ends_with("[cut: 1048576 bytes in all]"));
}

#[tokio::test]
async fn a_message_past_the_limit_is_not_kept() {
    let fake = fake_with(|config| zupa_mcp::McpConfig {
        message_limit_bytes: 1 << 20,
        ..config
    })
    .await;
    let calling = fake.tool("flood");
    let error = calling
        .call(no_arguments(), context(Duration::from_secs(2)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(fake.result("echo", json!({ "text": "on" })).await, "on");
}

#[tokio::test]
async fn a_slow_call_ends_in_time_and_is_cancelled() {
    let fake = fake().await;
    let slow = fake.tool("slow");
    let timeout = Duration::from_millis(500);
    // The runtime's own limit is the same: it must not be the one that strikes.
    let called = tokio::time::timeout(timeout, slow.call(no_arguments(), context(timeout)));
    let error = called.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.outcome(), Outcome::Unknown);
    until("the cancellation", async || {
        let remembered = fake.result("remember", no_arguments()).await;
        remembered == json!({ "cancelled": ["no longer waited for"] })
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled() {
    let fake = fake().await;
    let slow = fake.tool("slow");
    let dropped = tokio::time::timeout(
        Duration::from_millis(300),
        slow.call(no_arguments(), context(PATIENCE)),
    );
    assert!(dropped.await.is_err());
    until("the cancellation", async || {
        let remembered = fake.result("remember", no_arguments()).await;
        remembered["cancelled"].as_array().unwrap().len() == 1
    })
    .await;
}

#[tokio::test]
async fn slow_and_fast_calls_go_side_by_side() {
    let fake = fake().await;
    let slow = fake.tool("slow");
    let waiting = tokio::spawn(async move {
        slow.call(no_arguments(), context(Duration::from_secs(2)))
            .await
    });
    assert_eq!(fake.result("echo", json!({ "text": "fast" })).await, "fast");
    assert!(!waiting.is_finished());
    assert_eq!(
        waiting.await.unwrap().unwrap_err().kind(),
        ErrorKind::Timeout
    );
}

#[tokio::test]
async fn effects_come_from_the_configuration_or_trusted_hints() {
    let careful = fake().await;
    let at_most_once = Effect::AT_MOST_ONCE.approved();
    assert_eq!(careful.tool("look").effect(), at_most_once);
    let trusting = fake_with(|config| zupa_mcp::McpConfig {
        annotations: Annotations::Trusted,
        effects: effects([("echo", Effect::IDEMPOTENT)]),
        ..config
    })
    .await;
    assert_eq!(trusting.tool("look").effect(), Effect::PURE);
    assert_eq!(trusting.tool("echo").effect(), Effect::IDEMPOTENT);
    assert_eq!(trusting.tool("fail").effect(), at_most_once);
}

#[tokio::test]
async fn the_key_goes_with_idempotent_calls_only() {
    let fake = fake_with(|config| zupa_mcp::McpConfig {
        effects: effects([("key", Effect::IDEMPOTENT)]),
        ..config
    })
    .await;
    let sent = fake.result("key", no_arguments()).await;
    assert_eq!(sent, json!({ "key": key().to_hex() }));
    let careful = self::fake().await;
    let sent = careful.result("key", no_arguments()).await;
    assert_eq!(sent, json!({ "key": null }));
}

#[tokio::test]
async fn nobody_can_be_asked_what_became_of_a_call() {
    let fake = fake().await;
    let echo = fake.tool("echo");
    let probed = echo.probe(no_arguments(), context(PATIENCE));
    assert_eq!(probed.await.unwrap(), zupa_core::Probe::Unknown);
}

#[tokio::test]
async fn neither_texts_nor_secrets_are_logged() {
    let fake = fake().await;
    assert_eq!(fake.result("gossip", no_arguments()).await, "done");
    let error = fake.call("echo", json!({ "text": CANARY })).await.map(drop);
    assert!(error.is_ok());
    assert_eq!(fake.tool("echo").effect(), Effect::AT_MOST_ONCE.approved());
    assert!(!format!("{:?} {:?}", fake.server, fake.tool("echo")).contains(KEY));
    logs::assert_discreet();
    // It is for an operator's eyes only.
    until("the line on standard error", async || {
        fake.server.stderr_tail().contains(CANARY)
    })
    .await;
}

#[tokio::test]
async fn a_broken_configuration_starts_nothing() {
    let error = zupa_mcp::McpServer::start(zupa_mcp::McpConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let config = zupa_mcp::McpConfig {
        name: "none".into(),
        reach: zupa_mcp::Reach::stdio("/no/such/program", ["--token=canary"]),
        ..Default::default()
    };
    let error = zupa_mcp::McpServer::start(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), Retry::Never);
    assert_discreet(&error);
}
