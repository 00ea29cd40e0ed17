//! What is on the wire, and what is made of every way in which it may end.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use uuid::Uuid;
use zupa_core::{
    Address, Alias, Channel, Content, DeliveryId, ErrorKind, Outcome, Outgoing, Result,
    SendReceipt, TurnId,
};
use zupa_whatsapp_cloud::WhatsAppCloud;

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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v23.0/", listener.local_addr().unwrap());
    let (tell, mut told) = mpsc::channel(4);
    tokio::spawn(async move {
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
    });
    let sent = number(&url).send(outgoing()).await;
    (sent, told.recv().await.unwrap())
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
