//! Speech: what goes out, what comes back, and how it fails.

use std::time::Duration;

use serde_json::{Value, json};
use zupa_core::ErrorKind::{self, *};
use zupa_core::Outcome::{self, Applied, NotApplied, Unknown};
use zupa_core::Retry::{self, After, Never, Now};
use zupa_core::{
    Audio, Error, Result, SynthesisRequest, Synthesizer, Transcriber, TranscriptionRequest,
};
use zupa_openai::{
    AudioFormat, OpenAiSynthesizer, OpenAiSynthesizerConfig, OpenAiTranscriber,
    OpenAiTranscriberConfig,
};

use crate::logs;
use crate::server::{Seen, Server, Step};
use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(100);
const LIMIT: usize = 1_000;

fn transcriber(base_url: &str) -> OpenAiTranscriber {
    OpenAiTranscriber::new(OpenAiTranscriberConfig {
        base_url: base_url.to_owned(),
        model: "test-model".to_owned(),
        api_key: Some(KEY.into()),
        ..OpenAiTranscriberConfig::default()
    })
    .unwrap()
}

fn voices(base_url: &str) -> OpenAiSynthesizerConfig {
    OpenAiSynthesizerConfig {
        base_url: base_url.to_owned(),
        model: "test-model".to_owned(),
        api_key: Some(KEY.into()),
        ..OpenAiSynthesizerConfig::default()
    }
}

fn synthesizer(base_url: &str) -> OpenAiSynthesizer {
    OpenAiSynthesizer::new(voices(base_url)).unwrap()
}

fn heard(language: Option<&str>) -> TranscriptionRequest {
    TranscriptionRequest {
        audio: Audio::new("audio/ogg; codecs=opus", CANARY.as_bytes()),
        language: language.map(str::to_owned),
        timeout: PATIENCE,
    }
}

fn said() -> SynthesisRequest {
    SynthesisRequest {
        text: CANARY.to_owned(),
        voice: None,
        language: None,
        max_bytes: LIMIT,
        timeout: PATIENCE,
    }
}

/// A good answer of a type.
fn ok(content_type: &str, body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    vec![send([head.as_bytes(), body].concat())]
}

/// Both calls on the same script, each as one request, and discreet if they fail.
async fn both(script: Vec<Step>) -> (Result<String>, Result<Audio>) {
    logs::capture();
    let server = Server::start(script).await;
    let text = transcriber(&server.base_url).transcribe(heard(None)).await;
    let audio = synthesizer(&server.base_url).synthesize(said()).await;
    assert_eq!(server.seen().len(), 2, "one request each");
    for error in text.as_ref().err().into_iter().chain(audio.as_ref().err()) {
        assert_discreet(error);
        assert!(error.to_string().contains("model: test-model"), "{error}");
    }
    logs::assert_discreet();
    (text, audio)
}

#[track_caller]
fn check(name: &str, error: &Error, kind: ErrorKind, retry: Retry, outcome: Outcome) {
    assert_eq!(
        (error.kind(), error.retry(), error.outcome()),
        (kind, retry, outcome),
        "{name}: {error:?}"
    );
}

async fn uploaded(language: Option<&str>) -> Seen {
    let server = Server::start(ok("application/json", r#"{"text":"hi"}"#)).await;
    let text = transcriber(&server.base_url)
        .transcribe(heard(language))
        .await;
    assert_eq!(text.unwrap(), "hi");
    server.seen().remove(0)
}

/// The parts of a form, each as it was sent.
fn parts(seen: &Seen) -> Vec<String> {
    let content_type = seen.header("content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let body = String::from_utf8(seen.bytes.clone()).unwrap();
    let body = body.strip_suffix(&format!("--{boundary}--\r\n")).unwrap();
    body.split(&format!("--{boundary}\r\n"))
        .skip(1)
        .map(|part| part.strip_suffix("\r\n").unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_upload_holds_the_file_the_model_and_the_format() {
    let seen = uploaded(None).await;
    assert!(
        seen.head
            .starts_with("POST /v1/audio/transcriptions HTTP/1.1\r\n")
    );
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert_eq!(
        parts(&seen),
        [
            "Content-Disposition: form-data; name=\"model\"\r\n\r\ntest-model".to_owned(),
            "Content-Disposition: form-data; name=\"response_format\"\r\n\r\njson".to_owned(),
            format!(
                "Content-Disposition: form-data; name=\"file\"; filename=\"voice.ogg\"\r\n\
                 Content-Type: audio/ogg; codecs=opus\r\n\r\n{CANARY}"
            ),
        ],
        "and nothing else"
    );
    let with_language = parts(&uploaded(Some("pt")).await);
    assert_eq!(
        with_language[3],
        "Content-Disposition: form-data; name=\"language\"\r\n\r\npt"
    );
}

#[tokio::test]
async fn the_configured_language_counts_where_a_request_names_none() {
    for (asked, sent) in [(None, "pt"), (Some("en"), "en")] {
        let server = Server::start(ok("application/json", r#"{"text":"hi"}"#)).await;
        let ear = OpenAiTranscriber::new(OpenAiTranscriberConfig {
            base_url: server.base_url.clone(),
            language: Some("pt".to_owned()),
            ..OpenAiTranscriberConfig::default()
        });
        ear.unwrap().transcribe(heard(asked)).await.unwrap();
        let part = format!("Content-Disposition: form-data; name=\"language\"\r\n\r\n{sent}");
        assert_eq!(parts(&server.seen()[0])[3], part);
    }
}

#[tokio::test]
async fn a_request_for_speech_holds_the_text_the_voice_and_the_format() {
    let server = Server::start(ok("audio/opus", "OggS…")).await;
    let audio = synthesizer(&server.base_url).synthesize(said()).await;
    assert_eq!(
        audio.unwrap(),
        Audio::new("audio/ogg; codecs=opus", "OggS…".as_bytes())
    );
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("POST /v1/audio/speech HTTP/1.1\r\n"));
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    let body = json!({
        "model": "test-model",
        "input": CANARY,
        "voice": "alloy",
        "response_format": "opus",
    });
    assert_eq!(seen.body, body, "and nothing else");
}

#[tokio::test]
async fn voice_and_format_are_a_matter_of_choice_and_the_type_is_the_servers() {
    let server = Server::start(ok("audio/mpeg", "ID3…")).await;
    let config = OpenAiSynthesizerConfig {
        format: AudioFormat::Mp3,
        api_key: None,
        ..voices(&server.base_url)
    };
    let request = SynthesisRequest {
        voice: Some("nova".to_owned()),
        ..said()
    };
    let synthesizer = OpenAiSynthesizer::new(config).unwrap();
    let audio = synthesizer.synthesize(request).await.unwrap();
    assert_eq!(audio.mime, "audio/mpeg");
    let seen = server.seen().remove(0);
    assert_eq!(seen.body["voice"], "nova");
    assert_eq!(seen.body["response_format"], "mp3");
    assert_eq!(seen.header("authorization"), None);
    // A server that names no type is believed.
    let server = Server::start(ok("application/octet-stream", "raw")).await;
    let audio = self::synthesizer(&server.base_url).synthesize(said()).await;
    assert_eq!(audio.unwrap().mime, "audio/ogg; codecs=opus");
}

#[tokio::test]
async fn failures_of_the_server_are_told_apart() {
    let refused = |code: Value| fault("invalid_request_error", code);
    let busy = format!("{JSON}retry-after: 7\r\n");
    for (status, headers, body, kind, retry, outcome) in [
        (400, JSON, refused(json!(null)), Invalid, Never, NotApplied),
        (
            401,
            JSON,
            refused(json!("invalid_api_key")),
            Unauthorized,
            Never,
            NotApplied,
        ),
        (
            404,
            JSON,
            refused(json!("model_not_found")),
            Unsupported,
            Never,
            NotApplied,
        ),
        (
            413,
            HTML,
            CANARY.to_owned(),
            ContextLength,
            Never,
            NotApplied,
        ),
        (
            429,
            &busy,
            fault("requests", json!(null)),
            RateLimited,
            After(SECOND * 7),
            NotApplied,
        ),
        (
            429,
            JSON,
            fault("insufficient_quota", json!(null)),
            QuotaExceeded,
            Never,
            NotApplied,
        ),
        (500, HTML, CANARY.to_owned(), Unavailable, Now, Unknown),
        (
            503,
            &busy,
            CANARY.to_owned(),
            Unavailable,
            After(SECOND * 7),
            NotApplied,
        ),
        (
            307,
            "location: http://127.0.0.1:9/\r\n",
            CANARY.to_owned(),
            Protocol,
            Never,
            NotApplied,
        ),
    ] {
        let (text, audio) = both(answer(status, headers, &body)).await;
        let name = format!("{status} {body}");
        check(&name, &text.unwrap_err(), kind, retry, outcome);
        check(&name, &audio.unwrap_err(), kind, retry, outcome);
    }
}

#[tokio::test]
async fn an_answer_that_is_something_else_is_nonsense() {
    let other = json!({"words": CANARY}).to_string();
    for (content_type, body) in [
        ("text/html", CANARY.to_owned()),
        ("application/json", other),
        ("application/json", CANARY.to_owned()),
    ] {
        let (text, audio) = both(ok(content_type, &body)).await;
        check(&body, &text.unwrap_err(), Protocol, Now, Unknown);
        check(&body, &audio.unwrap_err(), Protocol, Now, Unknown);
    }
    // Some gateways say with a 200 that they failed.
    let body = fault("server_error", json!(503));
    let (text, audio) = both(ok("application/json", &body)).await;
    check("503", &text.unwrap_err(), Unavailable, Now, NotApplied);
    check("503", &audio.unwrap_err(), Unavailable, Now, NotApplied);
    let (_, audio) = both(ok("audio/mpeg", "")).await;
    check("no sound", &audio.unwrap_err(), Unavailable, Now, Unknown);
}

#[tokio::test]
async fn an_answer_has_no_more_bytes_than_wanted() {
    let fits = Server::start(ok("audio/mpeg", vec![0; LIMIT])).await;
    let audio = synthesizer(&fits.base_url).synthesize(said()).await;
    assert_eq!(audio.unwrap().bytes.len(), LIMIT);
    let endless = vec![
        send("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\nconnection: close\r\n\r\n"),
        send(vec![0; 2 << 20]),
        Step::Stall,
    ];
    for script in [ok("audio/mpeg", vec![0; 2 << 20]), endless] {
        let (text, audio) = both(script).await;
        check("text", &text.unwrap_err(), Full, Never, Applied);
        check("audio", &audio.unwrap_err(), Full, Never, Applied);
    }
}

#[tokio::test]
async fn a_server_that_is_slow_is_not_waited_for() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 10\r\n\r\n12345";
    for script in [vec![Step::Stall], vec![send(head), Step::Stall]] {
        let server = Server::start(script).await;
        let request = TranscriptionRequest {
            timeout: SHORT,
            ..heard(None)
        };
        let text = transcriber(&server.base_url).transcribe(request).await;
        let request = SynthesisRequest {
            timeout: SHORT,
            ..said()
        };
        let audio = synthesizer(&server.base_url).synthesize(request).await;
        for error in [text.unwrap_err(), audio.unwrap_err()] {
            check("slow", &error, Timeout, Now, Unknown);
        }
        server.hang_up().await;
    }
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 10\r\n\r\n12345";
    let (text, audio) = both(vec![send(head)]).await;
    check("text", &text.unwrap_err(), Unavailable, Now, Unknown);
    check("audio", &audio.unwrap_err(), Unavailable, Now, Unknown);
}

#[tokio::test]
async fn a_text_that_cannot_be_said_is_not_sent() {
    let server = Server::start(ok("audio/mpeg", "ID3…")).await;
    for text in [String::new(), "é".repeat(4_097)] {
        let request = SynthesisRequest { text, ..said() };
        let audio = synthesizer(&server.base_url).synthesize(request).await;
        check("text", &audio.unwrap_err(), Invalid, Never, NotApplied);
    }
    assert!(server.seen().is_empty());
    let request = SynthesisRequest {
        text: "é".repeat(4_096),
        ..said()
    };
    let audio = synthesizer(&server.base_url).synthesize(request).await;
    assert!(audio.is_ok());
}

#[test]
fn both_show_their_address_and_never_their_key() {
    let base_url = "https://example.com/v1";
    assert_eq!(
        format!("{:?}", transcriber(base_url)),
        "OpenAiTranscriber(test-model at https://example.com/v1)"
    );
    assert_eq!(
        format!("{:?}", synthesizer(base_url)),
        "OpenAiSynthesizer(test-model at https://example.com/v1, alloy)"
    );
    let config = OpenAiSynthesizerConfig {
        api_key: Some(format!("{KEY}\n").into()),
        ..voices(base_url)
    };
    assert!(!format!("{config:?}").contains(KEY));
    assert_discreet(&OpenAiSynthesizer::new(config).unwrap_err());
}
