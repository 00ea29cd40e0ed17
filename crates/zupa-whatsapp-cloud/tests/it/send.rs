//! What is on the wire, and what is made of every way in which it may end.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use uuid::Uuid;
use zupa_core::{
    Address, Alias, Audio, Channel, Content, DeliveryId, ErrorKind, Outcome, Outgoing, Result,
    SendReceipt, TurnId,
};
use zupa_whatsapp_cloud::{WhatsAppCloud, WindowClosed};

use crate::support::{NUMBER, config};

/// What the Graph API does with a request.
enum Answer {
    /// These bytes, and the end.
    Says(String),
    /// Nothing, and the end.
    HangsUp,
    /// Nothing, for as long as anybody waits.
    Silent,
}

fn answer(status: &str, body: &str) -> Answer {
    Answer::Says(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Sends one text to a server that answers so; what came of it, and what it was asked.
async fn send(to: Answer) -> (Result<SendReceipt>, String) {
    let (sent, mut asked) = exchange(number, outgoing(), vec![to]).await;
    (sent, asked.remove(0))
}

/// Sends a message to a server that answers its requests so, one by one; what came of it, and
/// what it was asked.
async fn exchange(
    number: impl FnOnce(&str) -> WhatsAppCloud,
    message: Outgoing,
    answers: Vec<Answer>,
) -> (Result<SendReceipt>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v23.0/", listener.local_addr().unwrap());
    let (tell, mut told) = mpsc::channel(4);
    tokio::spawn(async move {
        for to in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !is_whole(&asked) {
                socket.read_buf(&mut asked).await.unwrap();
            }
            tell.send(String::from_utf8(asked).unwrap()).await.unwrap();
            match to {
                Answer::Says(bytes) => socket.write_all(bytes.as_bytes()).await.unwrap(),
                Answer::HangsUp => {}
                Answer::Silent => drop(socket.read(&mut [0; 8]).await),
            }
        }
    });
    let sent = number(&url).send(message).await;
    let mut asked = Vec::new();
    while let Ok(request) = told.try_recv() {
        asked.push(request);
    }
    (sent, asked)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

fn number(url: &str) -> WhatsAppCloud {
    let mut config = config("wa", NUMBER);
    config.graph_url = url.to_owned();
    WhatsAppCloud::new(config).unwrap()
}

fn outgoing() -> Outgoing {
    let number = config("wa", NUMBER);
    Outgoing {
        delivery: DeliveryId {
            turn: TurnId(Uuid::from_u128(7)),
            ordinal: 0,
        },
        to: Address {
            tenant: number.tenant,
            channel: number.channel,
            alias: Alias::parse("15550001111").unwrap(),
        },
        content: Content::text("a private answer"),
        as_template: false,
        attempt: 1,
        timeout: Duration::from_millis(300),
    }
}

#[tokio::test]
async fn a_text_is_one_request_and_its_id_is_kept() {
    let taken = r#"{"messages":[{"id":"wamid.HB"}],"contacts":[{"wa_id":"15550001111"}]}"#;
    let (sent, asked) = send(answer("200 OK", taken)).await;
    assert_eq!(sent.unwrap().platform_id.unwrap().as_str(), "wamid.HB");
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let path = format!("POST /v23.0/{NUMBER}/messages HTTP/1.1");
    assert!(head.starts_with(&path), "{head}");
    assert!(head.contains("authorization: Bearer the-access-token"));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["to"], "15550001111");
    assert_eq!(
        body["biz_opaque_callback_data"],
        outgoing().delivery.to_string()
    );
}

#[tokio::test]
async fn a_send_without_a_clear_answer_is_in_doubt() {
    for (what, to) in [
        ("reset", Answer::HangsUp),
        ("silence", Answer::Silent),
        ("a page", answer("200 OK", "<html>")),
        ("another answer", answer("200 OK", "{}")),
        (
            "half an answer",
            Answer::Says("HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{".into()),
        ),
        (
            "half a refusal",
            Answer::Says("HTTP/1.1 400 Bad Request\r\ncontent-length: 90\r\n\r\n{".into()),
        ),
        ("500 of a proxy", answer("502 Bad Gateway", "<html>")),
        (
            "Meta does not know",
            answer("500 No", r#"{"error":{"code":131000}}"#),
        ),
    ] {
        let (sent, _) = send(to).await;
        let error = sent.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{what}: {error:?}");
        if what == "silence" {
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
        let told = format!("{error:?}");
        for secret in ["private", "15550001111", "the-access-token", "127.0.0.1"] {
            assert!(!told.contains(secret), "{what}: {told}");
        }
    }
}

#[tokio::test]
async fn a_refusal_and_a_door_that_nobody_opens_are_certain() {
    let body = r#"{"error":{"message":"to 15550001111","code":131047,"type":"OAuth"}}"#;
    let (sent, _) = send(answer("400 Bad Request", body)).await;
    let error = sent.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert!(error.is_terminal());
    assert!(!format!("{error:?}").contains("15550001111"));

    // A redirect is not followed: it would carry the token elsewhere.
    let (sent, _) = send(answer("307 Elsewhere", "")).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::Protocol);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v23.0", listener.local_addr().unwrap());
    drop(listener);
    let error = number(&url).send(outgoing()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_answer_without_an_id_is_an_answer() {
    let (sent, _) = send(answer("200 OK", r#"{"messages":[{}]}"#)).await;
    assert_eq!(sent.unwrap(), SendReceipt::default());
}

/// A voice message whose file begins so.
fn voice(begins: &str) -> Outgoing {
    let audio = format!("{begins}{}OpusHead, and more", "x".repeat(24));
    let content = Content::Voice {
        audio: Audio::new("audio/ogg; codecs=opus", audio.into_bytes()),
        transcript: "a private answer".into(),
    };
    Outgoing {
        content,
        ..outgoing()
    }
}

#[tokio::test]
async fn a_voice_message_is_brought_and_then_named() {
    let taken = r#"{"messages":[{"id":"wamid.HB"}]}"#;
    let answers = vec![
        answer("200 OK", r#"{"id":"4242"}"#),
        answer("200 OK", taken),
    ];
    let (sent, asked) = exchange(number, voice("OggS"), answers).await;
    assert_eq!(sent.unwrap().platform_id.unwrap().as_str(), "wamid.HB");
    let (head, form) = asked[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("POST /v23.0/{NUMBER}/media HTTP/1.1")));
    assert!(head.contains("content-type: multipart/form-data"));
    for part in [
        "messaging_product",
        "whatsapp",
        "audio/ogg; codecs=opus",
        "OpusHead, and more",
    ] {
        assert!(form.contains(part), "{part} in {form}");
    }
    let (head, body) = asked[1].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("POST /v23.0/{NUMBER}/messages HTTP/1.1")));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["type"], "audio");
    assert_eq!(
        body["audio"],
        serde_json::json!({ "id": "4242", "voice": true })
    );
    assert!(
        !asked[1].contains("private"),
        "what was said is not written"
    );
}

/// Whatever becomes of the file, the message has not left; what may pass is tried again.
#[tokio::test]
async fn a_file_that_does_not_arrive_leaves_no_doubt() {
    for (what, to, transient) in [
        ("reset", Answer::HangsUp, true),
        ("silence", Answer::Silent, true),
        ("no id", answer("200 OK", "{}"), true),
        (
            "a failure",
            answer("500 No", r#"{"error":{"code":131000}}"#),
            true,
        ),
        (
            "a refusal",
            answer("400 No", r#"{"error":{"code":131053}}"#),
            false,
        ),
    ] {
        let (sent, asked) = exchange(number, voice("OggS"), vec![to]).await;
        let error = sent.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotApplied, "{what}: {error:?}");
        assert_eq!(error.is_transient(), transient, "{what}: {error:?}");
        assert_eq!(asked.len(), 1, "{what}: no message went out");
        assert!(!format!("{error:?}").contains("private"));
    }
}

#[tokio::test]
async fn what_phones_do_not_play_leaves_as_its_words() {
    let taken = answer("200 OK", r#"{"messages":[{"id":"wamid.HB"}]}"#);
    let (sent, asked) = exchange(number, voice("RIFF"), vec![taken]).await;
    assert!(sent.is_ok(), "{sent:?}");
    let [text] = asked.try_into().unwrap();
    assert!(text.contains(r#""type":"text""#), "{text}");
}

#[tokio::test]
async fn outside_of_the_window_a_text_goes_into_the_template() {
    let with_template = |url: &str| {
        let mut config = config("wa", NUMBER);
        config.graph_url = url.to_owned();
        config.window_closed = WindowClosed::Template {
            name: "news".into(),
            language: "pt_BR".into(),
        };
        WhatsAppCloud::new(config).unwrap()
    };
    let message = Outgoing {
        as_template: true,
        ..outgoing()
    };
    let taken = answer("200 OK", r#"{"messages":[{"id":"wamid.HB"}]}"#);
    let (sent, asked) = exchange(with_template, message, vec![taken]).await;
    sent.unwrap();
    let (_, body) = asked[0].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["type"], "template");
    assert_eq!(body["template"]["name"], "news");
    let said = &body["template"]["components"][0]["parameters"][0]["text"];
    assert_eq!(said, "a private answer");
}
