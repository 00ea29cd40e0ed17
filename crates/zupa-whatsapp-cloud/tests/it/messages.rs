//! What a message says, by its type, and who said it.

use serde_json::{Value, json};
use zupa_core::{Content, Inbound, ReceiptNews, Timestamp};

use crate::support::{message, open};

fn one(message: Value) -> Inbound {
    let mut opened = open(json!({ "messages": [message] }));
    assert!(opened.skipped.is_empty() && opened.batch.receipts.is_empty());
    assert_eq!(opened.batch.inbounds.len(), 1);
    opened.batch.inbounds.remove(0)
}

#[test]
fn a_text_tells_who_when_and_under_which_id() {
    let said = message("text", json!({ "body": "hello" }));
    let inbound = one(said.clone());
    assert!(inbound.content == Content::text("hello"));
    assert_eq!(inbound.platform_id.unwrap().as_str(), "wamid.1");
    assert_eq!(inbound.address.alias.as_str(), "15550001111");
    assert_eq!(inbound.also[0].as_str(), "US.1a2B");
    let at = inbound.platform_time.unwrap();
    assert_eq!(at, Timestamp(1_700_000_000_000_000));
    let raw: Value = serde_json::from_slice(&inbound.raw.unwrap()).unwrap();
    assert_eq!(raw, said);

    let mut nameless = said;
    nameless.as_object_mut().unwrap().remove("from");
    let inbound = one(nameless);
    assert_eq!(inbound.address.alias.as_str(), "US.1a2B");
    assert!(inbound.also.is_empty());
}

#[test]
fn every_type_has_its_place() {
    let file = |mime: &str| json!({ "id": "900", "mime_type": mime, "sha256": "AAEC" });
    let media = |mime: &str, caption: Option<&str>, filename: Option<&str>| Content::Media {
        mime: mime.into(),
        handle: "900".into(),
        caption: caption.map(str::to_owned),
        filename: filename.map(str::to_owned),
        bytes: None,
        sha256: Some("000102".into()),
    };
    let chosen = |choice: &str, title: &str| Content::InteractiveReply {
        choice: choice.into(),
        title: title.into(),
    };
    let mut picture = file("image/jpeg");
    picture["caption"] = "mine".into();
    let mut paper = file("application/pdf");
    paper["filename"] = "bill.pdf".into();
    for (kind, body, content) in [
        ("image", picture, media("image/jpeg", Some("mine"), None)),
        ("video", file("video/mp4"), media("video/mp4", None, None)),
        ("audio", file("audio/ogg"), media("audio/ogg", None, None)),
        (
            "document",
            paper,
            media("application/pdf", None, Some("bill.pdf")),
        ),
        (
            "sticker",
            file("image/webp"),
            media("image/webp", None, None),
        ),
        (
            "location",
            json!({ "latitude": -8.05, "longitude": -34.9, "name": "here" }),
            Content::Location {
                latitude: -8.05,
                longitude: -34.9,
                name: Some("here".into()),
            },
        ),
        (
            "contacts",
            json!([{ "name": { "formatted_name": "Ana" } }]),
            Content::Contacts {
                cards: vec![json!({ "name": { "formatted_name": "Ana" } })],
            },
        ),
        (
            "interactive",
            json!({ "type": "button_reply", "button_reply": { "id": "y", "title": "Yes" } }),
            chosen("y", "Yes"),
        ),
        (
            "interactive",
            json!({ "type": "list_reply", "list_reply": { "id": "3", "title": "Third" } }),
            chosen("3", "Third"),
        ),
        (
            "button",
            json!({ "text": "Yes", "payload": "y" }),
            chosen("y", "Yes"),
        ),
        (
            "reaction",
            json!({ "message_id": "wamid.0", "emoji": "+" }),
            Content::Reaction {
                to: "wamid.0".into(),
                emoji: "+".into(),
            },
        ),
        (
            "reaction",
            json!({ "message_id": "wamid.0" }),
            Content::Reaction {
                to: "wamid.0".into(),
                emoji: String::new(),
            },
        ),
    ] {
        let found = one(message(kind, body)).content;
        assert_eq!(found.digest(), content.digest(), "{kind}");
    }
}

#[test]
fn what_has_no_place_is_kept_raw_as_unsupported() {
    let form = json!({ "type": "nfm_reply", "nfm_reply": { "response_json": "{" } });
    for (kind, body, raw_kind) in [
        ("order", json!({ "catalog_id": "1" }), "order"),
        ("unsupported", Value::Null, "unsupported"),
        ("request_welcome", Value::Null, "request_welcome"),
        ("hologram", json!({ "depth": 3 }), "hologram"),
        ("interactive", form, "nfm_reply"),
        ("interactive", Value::Null, "interactive"),
        ("text", json!({ "body": " " }), "text"),
    ] {
        let inbound = one(message(kind, body));
        let wanted = Content::Unsupported {
            raw_kind: raw_kind.into(),
        };
        assert!(inbound.content == wanted, "{kind}");
        assert!(inbound.raw.is_some());
    }
}

#[test]
fn what_is_not_as_its_type_says_is_kept_under_its_sender_and_id() {
    for bad in [
        message("text", json!({ "body": 5 })),
        message("text", json!({ "body": "nul \u{0} here" })),
        message("text", Value::Null),
        message("image", json!({ "mime_type": "image/jpeg" })),
        message("location", json!({ "latitude": "north" })),
        message(
            "edit",
            json!({ "message": { "type": "text", "text": { "body": "x" } } }),
        ),
    ] {
        let inbound = one(bad.clone());
        let payload = inbound.content.undecoded().unwrap();
        let kept: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(kept, bad);
        assert_eq!(inbound.platform_id.unwrap().as_str(), "wamid.1");
        assert_eq!(inbound.address.alias.as_str(), "15550001111");
    }
}

#[test]
fn edits_and_revokes_are_news_of_the_message_they_speak_of() {
    let new = json!({ "type": "text", "text": { "body": "new words" } });
    let edit = json!({ "original_message_id": "wamid.0", "message": new });
    let revoke = json!({ "original_message_id": "wamid.9" });
    let opened = open(json!({ "messages": [message("edit", edit), message("revoke", revoke)] }));
    assert!(opened.batch.inbounds.is_empty());
    let [edited, revoked] = &opened.batch.receipts[..] else {
        panic!("two receipts");
    };
    let content = Content::text("new words");
    assert_eq!(edited.about.as_str(), "wamid.0");
    assert!(edited.news == ReceiptNews::Edit { content });
    assert_eq!(revoked.about.as_str(), "wamid.9");
    assert!(revoked.news == ReceiptNews::Revoke);
}
