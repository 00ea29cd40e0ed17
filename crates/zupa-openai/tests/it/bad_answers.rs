//! Servers that answer badly. `failure_on` also proves for every row that one
//! request was made, and that error and logs quote neither body nor key.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use zupa_core::ErrorKind::{self, *};
use zupa_core::Outcome::{self, Applied, NotApplied, Unknown};
use zupa_core::Retry::{self, After, Never, Now};
use zupa_openai::OpenAiModel;

use crate::server::Step;
use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

async fn check(name: &str, script: Vec<Step>, kind: ErrorKind, retry: Retry, outcome: Outcome) {
    let error = failure_on(script).await;
    assert_eq!(
        (error.kind(), error.retry(), error.outcome()),
        (kind, retry, outcome),
        "{name}: {error:?}"
    );
    assert!(
        error.to_string().contains("model: test-model"),
        "{name}: {error}"
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let fault = |kind: &str, code: Value| fault(kind, code);
    for (status, body, kind) in [
        (400, fault("invalid_request_error", json!(null)), Invalid),
        (
            400,
            fault("invalid_request_error", json!("context_length_exceeded")),
            ContextLength,
        ),
        (
            400,
            fault("invalid_request_error", json!("content_filter")),
            ContentFilter,
        ),
        (400, json!({"error": CANARY}).to_string(), Invalid),
        (400, fault(CANARY, json!(CANARY)), Invalid),
        (
            400,
            json!({"object": "error", "message": CANARY, "code": 400}).to_string(),
            Invalid,
        ),
        (
            401,
            fault("invalid_request_error", json!("invalid_api_key")),
            Unauthorized,
        ),
        (403, fault("forbidden", json!(403)), Unauthorized),
        (
            404,
            fault("invalid_request_error", json!("model_not_found")),
            Unsupported,
        ),
        (
            422,
            json!({"detail": [{"input": CANARY}]}).to_string(),
            Invalid,
        ),
        (429, fault("insufficient_quota", json!(null)), QuotaExceeded),
        (
            429,
            fault("requests", json!("insufficient_quota")),
            QuotaExceeded,
        ),
    ] {
        check(&body, answer(status, JSON, &body), kind, Never, NotApplied).await;
    }
}

#[tokio::test]
async fn rate_limits_keep_the_servers_delay() {
    let body = fault("requests", json!("rate_limit_exceeded"));
    let date =
        "date: Wed, 21 Oct 2026 07:28:00 GMT\r\nretry-after: Wed, 21 Oct 2026 07:28:30 GMT\r\n";
    for (headers, delay) in [
        ("", 1),
        ("retry-after: 7\r\n", 7),
        (date, 30),
        ("retry-after: 7200\r\n", 7_200),
        ("retry-after: 864000\r\n", 86_400),
        ("retry-after: soon\r\n", 1),
    ] {
        let script = answer(429, &format!("{JSON}{headers}"), &body);
        check(
            headers,
            script,
            RateLimited,
            After(SECOND * delay),
            NotApplied,
        )
        .await;
    }
    // Without a body of any use, too.
    check(
        "html",
        answer(429, HTML, CANARY),
        RateLimited,
        After(SECOND),
        NotApplied,
    )
    .await;
}

#[tokio::test]
async fn failing_servers_are_unavailable() {
    let html = format!("<html><body>{CANARY}</body></html>");
    let integer = fault("server_error", json!(500));
    check(
        "json with an integer code",
        answer(500, JSON, &integer),
        Unavailable,
        Now,
        Unknown,
    )
    .await;
    check("no body", answer(500, "", ""), Unavailable, Now, Unknown).await;
    check("html", answer(502, HTML, &html), Unavailable, Now, Unknown).await;
    let busy = answer(503, &format!("{HTML}retry-after: 20\r\n"), &html);
    check(
        "with a delay",
        busy,
        Unavailable,
        After(SECOND * 20),
        NotApplied,
    )
    .await;
    check(
        "timed out",
        answer(408, JSON, &integer),
        Timeout,
        Now,
        Unknown,
    )
    .await;
}

#[tokio::test]
async fn nonsense_is_a_matter_of_protocol() {
    let html = format!("<html><body>{CANARY}</body></html>");
    let no_answer = json!({"ok": true, "choices": [], "text": CANARY}).to_string();
    for (name, script) in [
        ("html", answer(200, HTML, &html)),
        ("JSON that is no answer", answer(200, JSON, &no_answer)),
        ("no JSON after all", answer(200, JSON, CANARY)),
        (
            "a chunk that is no JSON",
            stream_of(&[delta("Hi"), format!("data: {{{CANARY}\n\n")]),
        ),
        (
            "a chunk that is no object",
            stream_of(&[event(&json!(CANARY))]),
        ),
        (
            "a byte order mark",
            stream_of(&[format!("\u{feff}{}", delta(CANARY))]),
        ),
        ("only [DONE]", stream_of(&[DONE.to_owned()])),
    ] {
        check(name, script, Protocol, Now, Unknown).await;
    }
    let moved = answer(
        307,
        "location: http://127.0.0.1:9/v1/chat/completions\r\n",
        CANARY,
    );
    check("a redirect", moved, Protocol, Never, NotApplied).await;
    let error = failure_on(answer(200, HTML, &html)).await;
    assert!(
        error.to_string().contains("content_type: text/html"),
        "{error}"
    );
}

#[tokio::test]
async fn answers_without_end_are_about_the_input() {
    let endless = answer(200, JSON, &format!("[{}", CANARY.repeat(300_000)));
    check("JSON", endless, Invalid, Never, Applied).await;
    let line = send(CANARY.repeat(20_000));
    let endless = vec![head(), send("data: "), line, Step::Stall];
    check("a line", endless, Invalid, Never, Applied).await;
}

#[tokio::test]
async fn errors_inside_a_good_status_count_as_errors() {
    let said = |error: Value| {
        stream_of(&[
            delta("Hi"),
            event(&json!({"error": error, "message": CANARY})),
        ])
    };
    check(
        "by integer code",
        said(json!({"code": 502, "message": CANARY})),
        Unavailable,
        Now,
        Unknown,
    )
    .await;
    check(
        "by type",
        said(json!({"type": "rate_limit_error"})),
        RateLimited,
        After(SECOND),
        NotApplied,
    )
    .await;
    check(
        "unpaid",
        said(json!({"code": "insufficient_quota", "type": "insufficient_quota"})),
        QuotaExceeded,
        Never,
        NotApplied,
    )
    .await;
    check("in prose", said(json!(CANARY)), Unavailable, Now, Unknown).await;
    let vllm = stream_of(&[event(
        &json!({"object": "error", "message": CANARY, "type": "BadRequestError", "code": 400}),
    )]);
    check("bare", vllm, Invalid, Never, NotApplied).await;
    let body = fault("server_error", json!(503));
    for headers in [JSON, "content-type: text/plain\r\n"] {
        let script = answer(200, headers, &body);
        check("with status 200", script, Unavailable, Now, NotApplied).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_no_answer() {
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let mut inside_a_character = delta("👋").into_bytes();
    let at = inside_a_character
        .iter()
        .position(|byte| *byte > 127)
        .unwrap();
    inside_a_character.truncate(at + 2);
    for (name, script) in [
        ("between events", stream_of(&[delta(CANARY)])),
        (
            "inside an event",
            stream_of(&[delta("Hi"), half(&delta(CANARY))]),
        ),
        (
            "inside a character",
            vec![head(), send(delta("Hi")), send(inside_a_character)],
        ),
        (
            "after a text that says [DONE]",
            stream_of(&[delta("[DONE]")]),
        ),
        ("before the first", vec![head()]),
        (
            "inside a transfer chunk",
            vec![
                chunked_head(),
                piece(&delta("Hi")),
                send(format!("ff\r\ndata: {CANARY}")),
            ],
        ),
        (
            "inside the head",
            vec![send("HTTP/1.1 200 OK\r\ncontent-ty")],
        ),
        ("before the head", vec![]),
    ] {
        check(name, script, Unavailable, Now, Unknown).await;
    }
}

#[tokio::test]
async fn a_stalling_error_body_does_not_hide_the_status() {
    let head = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 100\r\n\r\nhalf";
    check(
        "stall",
        vec![send(head), Step::Stall],
        Unauthorized,
        Never,
        NotApplied,
    )
    .await;
}

#[tokio::test]
async fn an_endless_error_body_is_not_read_to_its_end() {
    let head = format!("HTTP/1.1 500 Oh\r\n{JSON}\r\n");
    let script = vec![send(head), send(CANARY.repeat(100_000)), Step::Stall];
    check("endless", script, Unavailable, Now, Unknown).await;
}

#[tokio::test]
async fn a_refused_connection_applied_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = complete(&OpenAiModel::new(config(&base_url)).unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.retry(), error.outcome()),
        (Unavailable, Now, NotApplied),
        "{error:?}"
    );
    assert_discreet(&error);
    assert!(
        format!("{error:?}").contains("refused"),
        "the cause is shown: {error:?}"
    );
}

/// A name that nobody has, and a server that speaks no TLS.
#[tokio::test]
async fn without_a_name_or_a_handshake_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("https://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for base_url in ["http://no-such-host.invalid/v1", &at] {
        let model = OpenAiModel::new(config(base_url)).unwrap();
        let error = complete(&model).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry(), error.outcome()),
            (Unavailable, Now, NotApplied),
            "{error:?}"
        );
        assert_discreet(&error);
    }
}
