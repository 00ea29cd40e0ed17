//! Every bad input has a clear answer, and none of it reaches the intake.

use axum::body::Body;
use axum::http::Request;
use futures_util::stream;

use crate::fakes::{Answer, App, get, post};

/// Sends a body and expects a problem.
async fn refused(body: impl Into<Body>) -> Answer {
    let app = App::new();
    let answer = app.post(body).await;
    assert!(app.seen.lock().unwrap().is_empty(), "it was handed in");
    answer.problem();
    answer
}

#[tokio::test]
async fn malformed_json_is_400() {
    for body in [
        "",
        "{",
        "{\"text\":\"a\"",
        "nonsense",
        "{\"text\":\"a\"} x",
        "{\"text\":\"\\x\"}",
    ] {
        assert_eq!(
            refused(body).await.problem(),
            (400, "malformed_json"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn lone_surrogates_are_400() {
    for body in [
        r#"{"text":"\ud800"}"#,
        r#"{"text":"\udc00 a"}"#,
        r#"{"text":"a","id":"\ud83d x"}"#,
    ] {
        assert_eq!(
            refused(body).await.problem(),
            (400, "malformed_json"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn invalid_utf_8_is_400() {
    let body = b"{\"text\":\"\xff\xfe\"}".to_vec();
    assert_eq!(refused(body).await.problem(), (400, "invalid_encoding"));
}

#[tokio::test]
async fn deep_nesting_is_400() {
    let body = format!("{{\"text\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(refused(body).await.problem(), (400, "malformed_json"));
}

#[tokio::test]
async fn unknown_fields_are_400_with_their_pointers() {
    let answer = refused(r#"{"text":"a","texts":"b","a/b~c":1}"#).await;
    assert_eq!(answer.problem(), (400, "invalid_body"));
    assert_eq!(answer.pointers(), ["/texts", "/a~1b~0c"]);
    assert_eq!(answer.json["errors"][0]["code"], "unknown_field");
}

#[tokio::test]
async fn wrong_shapes_are_400_all_at_once() {
    for body in ["[]", "\"text\"", "null", "3"] {
        assert_eq!(
            refused(body).await.problem(),
            (400, "invalid_body"),
            "{body}"
        );
    }
    let answer = refused(r#"{"id":3,"text":["a"]}"#).await;
    assert_eq!(answer.pointers(), ["/id", "/text"]);
    assert_eq!(refused("{}").await.pointers(), ["/text"]);
    assert_eq!(
        refused(r#"{"text":"a","text":"b"}"#).await.pointers(),
        ["/text"]
    );
}

#[tokio::test]
async fn an_answer_repeats_little_of_what_was_sent() {
    let body = format!(
        "{{\"{}\":1,\"text\":\"my card number\"}}",
        "x".repeat(10_000)
    );
    let answer = refused(body).await;
    assert!(answer.text.len() < 2_000 && !answer.text.contains("card"));
}

#[tokio::test]
async fn empty_texts_are_422() {
    for body in [
        r#"{"text":""}"#,
        r#"{"text":" \n\t "}"#,
        r#"{"text":"\u3000"}"#,
    ] {
        let answer = refused(body).await;
        assert_eq!(answer.problem(), (422, "invalid_message"), "{body}");
        assert_eq!(answer.pointers(), ["/text"]);
    }
    // No store keeps U+0000 reliably.
    assert_eq!(
        refused(r#"{"text":"a\u0000b"}"#).await.pointers(),
        ["/text"]
    );
}

#[tokio::test]
async fn bad_ids_are_422() {
    for id in ["", "  ", "a\\nb", &"é".repeat(256), &"x".repeat(300)] {
        let answer = refused(format!("{{\"id\":\"{id}\",\"text\":\"a\"}}")).await;
        assert_eq!(answer.problem(), (422, "invalid_message"), "{id}");
        assert_eq!(answer.pointers(), ["/id"]);
    }
}

#[tokio::test]
async fn bad_conversations_are_422() {
    let app = App::new();
    let long = "x".repeat(256);
    for conversation in ["", "%20", "a%00b", &long, &"%C3%A9".repeat(256)] {
        for path in [
            format!("/chat/{conversation}/messages"),
            format!("/chat/main/{conversation}/messages"),
        ] {
            let answer = app.send(post(&path, r#"{"text":"a"}"#)).await;
            assert_eq!(answer.problem(), (422, "invalid_conversation"), "{path}");
            assert_eq!(answer.pointers(), ["/conversation"]);
        }
        let answer = app.get(&format!("/chat/{conversation}/events")).await;
        assert_eq!(answer.problem(), (422, "invalid_conversation"));
    }
    let answer = app.get("/chat/%FF/events").await;
    assert_eq!(answer.problem(), (400, "invalid_path"));
    assert!(app.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn unknown_channels_are_404() {
    let app = App::new();
    for request in [
        post("/chat/nobody/c/messages", r#"{"text":"a"}"#),
        get("/chat/nobody/c/events"),
    ] {
        let answer = app.send(request).await;
        assert_eq!(answer.problem(), (404, "unknown_channel"));
    }
}

#[tokio::test]
async fn texts_over_the_limit_are_413() {
    let text = "x".repeat(zupa_http::DEFAULT_PAYLOAD_BYTES + 1);
    let answer = refused(format!("{{\"text\":\"{text}\"}}")).await;
    assert_eq!(answer.problem(), (413, "too_large"));
    assert_eq!(answer.pointers(), ["/text"]);

    let app = App::new();
    let answer = app.post(format!("{{\"text\":\"{}\"}}", &text[1..])).await;
    assert_eq!(answer.status, 202, "exactly the limit is fine");
    let escaped = "\\u0061".repeat(zupa_http::DEFAULT_PAYLOAD_BYTES);
    let answer = app.post(format!("{{\"text\":\"{escaped}\"}}")).await;
    assert_eq!(answer.status, 202, "however JSON spells it");
}

#[tokio::test]
async fn bodies_of_5_mib_are_413_by_their_declared_length() {
    let app = App::new();
    let mut request = post("/chat/c/messages", Body::empty());
    let length = (5 * 1024 * 1024).to_string().parse().unwrap();
    request.headers_mut().insert("content-length", length);
    let answer = app.send(request).await;
    assert_eq!(answer.problem(), (413, "too_large"));
}

#[tokio::test]
async fn bodies_of_5_mib_are_413_by_counting() {
    let chunks = (0..80).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]));
    let answer = refused(Body::from_stream(stream::iter(chunks))).await;
    assert_eq!(answer.problem(), (413, "too_large"));
}

#[tokio::test]
async fn bodies_that_break_off_are_400() {
    let chunks = [Ok("{\"text\""), Err(std::io::Error::other("gone"))];
    let answer = refused(Body::from_stream(stream::iter(chunks))).await;
    assert_eq!(answer.problem(), (400, "incomplete_body"));
}

#[tokio::test(start_paused = true)]
async fn bodies_that_do_not_come_are_408() {
    let never = stream::pending::<Result<&str, std::io::Error>>();
    let answer = refused(Body::from_stream(never)).await;
    assert_eq!(answer.problem(), (408, "request_timeout"));
}

#[tokio::test]
async fn other_content_types_are_415() {
    let app = App::new();
    let body = r#"{"text":"a"}"#;
    for content_type in [
        None,
        Some("text/plain"),
        Some("multipart/form-data; boundary=x"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=utf-16"),
    ] {
        let mut request = Request::post("/chat/c/messages").header("host", "localhost");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(
            answer.problem(),
            (415, "unsupported_media_type"),
            "{content_type:?}"
        );
    }
    let mut compressed = post("/chat/c/messages", body);
    let gzip = "gzip".parse().unwrap();
    compressed.headers_mut().insert("content-encoding", gzip);
    assert_eq!(app.send(compressed).await.problem().0, 415);
    assert!(app.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn other_paths_are_404_and_other_methods_405() {
    let app = App::new();
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/chat/c",
        "/phone/nothing.js",
    ] {
        assert_eq!(app.get(path).await.problem(), (404, "not_found"), "{path}");
    }
    let answer = app.get("/chat/c/messages").await;
    assert_eq!(answer.problem(), (405, "method_not_allowed"));
    assert_eq!(answer.headers["allow"], "POST");
}

#[tokio::test]
async fn bad_resume_points_are_400() {
    let app = App::new();
    for query in [
        "after=x",
        "after=-1",
        "after=%2B1",
        "after=",
        "after=1.5",
        "after=99999999999999999999",
    ] {
        let answer = app.get(&format!("/chat/c/events?{query}")).await;
        assert_eq!(answer.problem(), (400, "invalid_event_id"), "{query}");
        assert_eq!(answer.pointers(), ["/after"]);
    }
    let mut request = get("/chat/c/events?after=1");
    let header = "abc".parse().unwrap();
    request.headers_mut().insert("last-event-id", header);
    assert_eq!(app.send(request).await.pointers(), ["/last-event-id"]);
}
