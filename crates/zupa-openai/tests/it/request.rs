//! What goes out.

use std::process::Command;

use serde_json::json;
use zupa_core::ErrorKind;
use zupa_openai::{OpenAiConfig, OpenAiModel};

use crate::server::{Seen, Server};
use crate::support::*;

async fn sent(change: impl FnOnce(OpenAiConfig) -> OpenAiConfig) -> Seen {
    let server = Server::start(stream_of(&[finish("stop"), DONE.to_owned()])).await;
    let model = OpenAiModel::new(change(config(&server.base_url))).unwrap();
    complete(&model).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    seen[0].clone()
}

#[tokio::test]
async fn a_request_carries_the_prompt_the_key_and_the_wish_to_stream() {
    let seen = sent(|config| config).await;
    assert!(
        seen.head
            .starts_with("POST /v1/chat/completions HTTP/1.1\r\n")
    );
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
    let body = json!({
        "model": "test-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": CANARY},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    assert_eq!(seen.body, body, "and nothing else");
}

#[tokio::test]
async fn limits_are_sent_only_when_set() {
    let seen = sent(|config| OpenAiConfig {
        temperature: Some(0.7),
        max_tokens: Some(300),
        ..config
    })
    .await;
    assert!(
        seen.body.to_string().contains("\"temperature\":0.7"),
        "{}",
        seen.body
    );
    assert_eq!(seen.body["max_tokens"], 300);
}

#[tokio::test]
async fn without_a_key_no_key_is_sent() {
    let seen = sent(|config| OpenAiConfig {
        api_key: None,
        ..config
    })
    .await;
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("openai-organization"), None);
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_address_does_not_matter() {
    let seen = sent(|config| OpenAiConfig {
        base_url: format!("{}/", config.base_url),
        ..config
    })
    .await;
    assert!(seen.head.starts_with("POST /v1/chat/completions "));
}

#[test]
fn a_key_that_is_no_header_is_refused_and_not_shown() {
    let config = OpenAiConfig {
        api_key: Some(format!("{KEY}\n").into()),
        ..config("http://localhost/v1")
    };
    assert!(!format!("{config:?}").contains(KEY));
    let error = OpenAiModel::new(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_discreet(&error);
}

#[tokio::test]
async fn a_model_shows_its_address_and_never_its_key() {
    let model = OpenAiModel::new(config("https://example.com/v1")).unwrap();
    assert_eq!(
        format!("{model:?}"),
        "OpenAiModel(test-model at https://example.com/v1)"
    );
}

#[test]
fn variables_of_the_environment_change_nothing() {
    // The libraries underneath would take keys, addresses and proxies from
    // there. A process cannot safely change its own environment, so the tests of
    // this file run again in another one.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["request::", "--skip", "variables_of"])
        .env("OPENAI_API_KEY", "of-the-environment")
        .env("OPENAI_ORG_ID", "of-the-environment")
        .env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9")
        .env("ALL_PROXY", "http://127.0.0.1:9")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && report.contains("6 passed"),
        "{report}"
    );
}
