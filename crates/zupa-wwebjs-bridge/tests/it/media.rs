//! Received media are fetched once they are asked for, and only if they are what the
//! message says.

use std::time::Duration;

use serde_json::{Value, json};
use zupa_core::{Channel, Content, Digest, ErrorKind, Media, Result};

use crate::support::{ANA, Bridge, PATIENCE, Phone, eventually, has_node};

/// `two soups`, in base64, and their SHA-256 as WhatsApp writes it.
const DATA: &str = "dHdvIHNvdXBz";

/// The base64 of a SHA-256.
fn filehash(of: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in Digest::of(of).0.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(match place > three.len() {
                true => '=',
                false => char::from(letter),
            });
        }
    }
    text
}

/// Ana sends a file; what is fetched of it, up to so many bytes.
async fn fetch(media: Value, most: u64) -> (Phone, Content, Result<Media>) {
    let phone = Phone::new();
    let bridge: Bridge = phone.bridge();
    bridge.ready().await;
    phone.shows(
        json!({ "id": "A1", "chat": ANA, "fromMe": false, "body": "",
        "type": "image", "media": media }),
    );
    let inbound = eventually("it is accepted", || bridge.taken.inbounds().pop()).await;
    let Content::Media { handle, .. } = &inbound.content else {
        panic!("{:?}", inbound.content.kind());
    };
    let limit = Duration::from_secs(5);
    let fetching = bridge.bridge.media(handle, most, limit);
    let fetched = tokio::time::timeout(PATIENCE, fetching).await.unwrap();
    bridge.close().await;
    (phone, inbound.content, fetched)
}

/// How many files were fetched from WhatsApp.
fn fetched(phone: &Phone) -> usize {
    std::fs::read_to_string(phone.path("phone/downloaded"))
        .unwrap_or_default()
        .lines()
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_what_its_message_says() {
    if !has_node("a_file_is_what_its_message_says") {
        return;
    }
    let hash = filehash(b"two soups");
    let media = json!({ "mime": "image/png", "data": DATA, "size": 9, "filehash": hash });
    let (phone, content, fetched_media) = fetch(media, 9).await;
    assert_eq!(fetched_media.unwrap().bytes, b"two soups");
    assert_eq!(fetched(&phone), 1);
    let Content::Media { bytes, sha256, .. } = content else {
        panic!("no media");
    };
    assert_eq!(bytes, Some(9));
    assert_eq!(sha256, Some(Digest::of(b"two soups").to_hex()));
    // Nothing is left of it.
    let left = std::fs::read_dir(phone.path("session/media")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_was_announced_is_refused() {
    if !has_node("a_file_that_is_not_what_was_announced_is_refused") {
        return;
    }
    let hash = filehash(b"three soups");
    let media = json!({ "mime": "image/png", "data": DATA, "size": 9, "filehash": hash });
    let (phone, _, refused) = fetch(media, 100).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Protocol);
    assert!(refused.is_terminal());
    let left = std::fs::read_dir(phone.path("session/media")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_is_not_fetched_and_one_that_lies_is_not_kept() {
    if !has_node("a_file_that_is_too_large_is_not_fetched") {
        return;
    }
    let media = json!({ "mime": "image/png", "data": DATA, "size": 9 });
    let (phone, _, refused) = fetch(media, 8).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(fetched(&phone), 0);

    let media = json!({ "mime": "image/png", "data": DATA, "size": 1 });
    let (phone, _, refused) = fetch(media, 8).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(fetched(&phone), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_expired_is_gone() {
    if !has_node("a_file_that_has_expired_is_gone") {
        return;
    }
    let media = json!({ "mime": "image/png", "size": 9 });
    let (_, _, gone) = fetch(media, 100).await;
    let gone = gone.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(gone.is_terminal());
}
