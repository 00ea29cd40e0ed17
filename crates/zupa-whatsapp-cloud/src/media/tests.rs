//! Files, from a Graph API that answers as told and remembers what it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use reqwest::dns::{Addrs, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use zupa_core::{ErrorKind, TenantId};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);
const FILE: &[u8] = b"OggS\xff\0 and so on";

fn config(graph_url: &str) -> WhatsAppCloudConfig {
    let channel = ChannelId::parse("wa").unwrap();
    let token = "the-access-token".to_owned().into();
    let mut config = WhatsAppCloudConfig::new(
        channel,
        TenantId::default_tenant(),
        "100000000000001",
        token,
    );
    config.graph_url = graph_url.to_owned();
    config
}

fn files(graph_url: &str, lookup: Lookup) -> Files {
    let config = config(graph_url);
    let graph = config.check().unwrap();
    Files::with_lookup(&config, &graph, lookup).unwrap()
}

/// A server that gives these answers, one to each request; `HERE` in them is its own
/// address. Ends with what it was asked.
async fn server(answers: Vec<(u16, Vec<u8>)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let url = format!("{here}/v23.0/");
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                socket.read_buf(&mut request).await.unwrap();
            }
            asked.push(String::from_utf8(request).unwrap());
            let body = match String::from_utf8(body) {
                Ok(text) => text.replace("HERE", &here).into_bytes(),
                Err(bytes) => bytes.into_bytes(),
            };
            let head = format!(
                "HTTP/1.1 {status} Any\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&body).await.unwrap();
        }
        asked
    });
    (url, serving)
}

fn found(sha256: &str, size: usize) -> (u16, Vec<u8>) {
    let body = serde_json::json!({
        "id": "1234", "messaging_product": "whatsapp", "url": "HERE/file?mid=1234",
        "mime_type": "audio/ogg; codecs=opus", "sha256": sha256, "file_size": size,
    });
    (200, body.to_string().into_bytes())
}

fn good() -> (u16, Vec<u8>) {
    found(&Digest::of(FILE).to_hex(), FILE.len())
}

fn refusal(status: u16, code: i64) -> (u16, Vec<u8>) {
    let body = serde_json::json!({ "error": { "code": code, "message": "private words on 1234" } });
    (status, body.to_string().into_bytes())
}

/// Asks for a file of a server that answers so.
async fn fetch(most: u64, answers: Vec<(u16, Vec<u8>)>) -> (Result<Media>, Vec<String>) {
    let (url, serving) = server(answers).await;
    let fetched = files(&url, place::system)
        .fetch("1234", most, TIMEOUT)
        .await;
    (fetched, serving.await.unwrap())
}

#[tokio::test]
async fn a_file_is_found_by_its_id_and_fetched_with_the_token() {
    let (fetched, asked) = fetch(100, vec![good(), (200, FILE.to_vec())]).await;
    let media = fetched.unwrap();
    assert_eq!(media.mime, "audio/ogg; codecs=opus");
    assert_eq!(media.bytes, FILE);
    let [about, file] = asked.try_into().unwrap();
    assert!(about.starts_with("GET /v23.0/1234?phone_number_id=100000000000001 HTTP/1.1"));
    assert!(file.starts_with("GET /file?mid=1234 HTTP/1.1"));
    for request in [about, file] {
        assert!(request.contains("authorization: Bearer the-access-token"));
    }
}

#[tokio::test]
async fn an_address_that_has_ended_is_asked_for_once_more() {
    for status in [401, 403, 404, 410] {
        let ended = (status, Vec::new());
        let again = vec![good(), ended.clone(), good(), (200, FILE.to_vec())];
        let (fetched, asked) = fetch(100, again).await;
        assert_eq!(fetched.unwrap().bytes, FILE);
        assert_eq!(asked.len(), 4);

        let (fetched, asked) = fetch(100, vec![good(), ended.clone(), good(), ended]).await;
        let kind = if status < 404 {
            ErrorKind::Unauthorized
        } else {
            ErrorKind::NotFound
        };
        assert_eq!(fetched.unwrap_err().kind(), kind);
        assert_eq!(asked.len(), 4);
    }
}

#[tokio::test]
async fn every_other_end_has_its_kind_and_no_word_of_the_answer() {
    let altered = found(&"0".repeat(64), FILE.len());
    let unsized_file = found(&Digest::of(FILE).to_hex(), 0);
    let large = found(&Digest::of(FILE).to_hex(), 101);
    let cases = [
        (vec![refusal(400, 100)], ErrorKind::NotFound, false),
        (vec![refusal(404, 131_052)], ErrorKind::NotFound, false),
        (vec![refusal(401, 190)], ErrorKind::Unauthorized, false),
        (vec![refusal(400, 130_429)], ErrorKind::RateLimited, true),
        (vec![(429, Vec::new())], ErrorKind::RateLimited, true),
        (
            vec![(503, b"<html>".to_vec())],
            ErrorKind::Unavailable,
            true,
        ),
        (vec![refusal(500, 131_000)], ErrorKind::Unavailable, true),
        (vec![(200, b"{}".to_vec())], ErrorKind::Protocol, false),
        (vec![(200, vec![b' '; 70_000])], ErrorKind::Full, false),
        (vec![(302, Vec::new())], ErrorKind::Protocol, false),
        (vec![large], ErrorKind::Full, false),
        (
            vec![unsized_file.clone(), (200, vec![b'x'; 101])],
            ErrorKind::Full,
            false,
        ),
        (
            vec![unsized_file, (200, b"other".to_vec())],
            ErrorKind::Protocol,
            false,
        ),
        (
            vec![altered, (200, FILE.to_vec())],
            ErrorKind::Protocol,
            false,
        ),
        (
            vec![good(), (500, Vec::new())],
            ErrorKind::Unavailable,
            true,
        ),
        (vec![good(), (302, Vec::new())], ErrorKind::Protocol, false),
    ];
    for (answers, kind, transient) in cases {
        let count = answers.len();
        let (fetched, asked) = fetch(100, answers.clone()).await;
        let error = fetched.unwrap_err();
        assert_eq!(
            (error.kind(), error.is_transient()),
            (kind, transient),
            "{answers:?}"
        );
        assert_eq!(asked.len(), count, "{answers:?}");
        for secret in ["1234", "private", "the-access-token", "HERE", "127.0.0.1"] {
            assert!(
                !format!("{error} {error:?}").contains(secret),
                "{secret} in {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_id_asks_nobody() {
    // Nothing listens there.
    let files = files("http://127.0.0.1:1/v23.0", place::system);
    let long = "1".repeat(129);
    for id in [
        "",
        "..",
        "a/b",
        "a?b",
        "1234#",
        "%2e%2e",
        "é",
        long.as_str(),
    ] {
        let fetched = files.fetch(id, 100, TIMEOUT).await;
        assert_eq!(fetched.unwrap_err().kind(), ErrorKind::NotFound, "{id}");
    }
    let fetched = files.fetch("1234", 100, TIMEOUT).await;
    assert_eq!(fetched.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_file_that_does_not_come_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v23.0", listener.local_addr().unwrap());
    let files = files(&url, place::system);
    let fetched = files.fetch("1234", 100, Duration::from_millis(50)).await;
    let error = fetched.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_transient()),
        (ErrorKind::Timeout, true)
    );
}

#[tokio::test]
async fn an_address_that_is_not_metas_is_not_asked() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    for url in [
        format!("http://127.0.0.1:{port}/a"),
        format!("http://localhost:{port}/a"),
        format!("http://[::ffff:127.0.0.1]:{port}/a"),
        format!("http://2130706433:{port}/a"),
        format!("https://lookaside.fbsbx.com:{port}/a"),
        format!("https://lookaside.fbsbx.com@127.0.0.1:{port}/a"),
        // Without TLS to the Graph API nobody else is asked.
        "https://lookaside.fbsbx.com/a".to_owned(),
    ] {
        let body = serde_json::json!({ "url": url, "mime_type": "audio/ogg" });
        let (fetched, asked) = fetch(100, vec![(200, body.to_string().into_bytes())]).await;
        assert_eq!(fetched.unwrap_err().kind(), ErrorKind::Protocol, "{url}");
        assert_eq!(asked.len(), 1);
    }
    assert_not_asked(&canary).await;
}

/// Where the canary listens, for a look-up that must be a plain function.
static CANARY: AtomicU16 = AtomicU16::new(0);
static LOOKED_UP: AtomicUsize = AtomicUsize::new(0);

/// A name server whose answer is a private address beside one for documents.
fn rebinding(_: String) -> Resolving {
    LOOKED_UP.fetch_add(1, Ordering::Relaxed);
    let port = CANARY.load(Ordering::Relaxed);
    let private = [[127, 0, 0, 1], [192, 0, 2, 1]];
    let found = private.map(|ip| SocketAddr::from((Ipv4Addr::from(ip), port)));
    Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
}

#[tokio::test]
async fn a_name_of_metas_that_leads_into_our_network_is_not_connected_to() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    CANARY.store(canary.local_addr().unwrap().port(), Ordering::Relaxed);
    let files = files("https://graph.facebook.com/v23.0", rebinding);
    let found = Found {
        url: "https://lookaside.fbsbx.com/a".to_owned(),
        mime_type: String::new(),
        sha256: None,
        file_size: None,
    };
    let error = files.read(found, 100).await.unwrap_err();
    let error = error.into_error(&files.channel);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(LOOKED_UP.load(Ordering::Relaxed), 1);
    assert_not_asked(&canary).await;
}

/// Whoever had connected would be accepted before us.
async fn assert_not_asked(canary: &TcpListener) {
    let ours = TcpStream::connect(canary.local_addr().unwrap())
        .await
        .unwrap();
    let (_, first) = canary.accept().await.unwrap();
    assert_eq!(first, ours.local_addr().unwrap(), "somebody has connected");
}
