//! What leaves beside texts: places, cards, voice messages, files of this phone, reactions.

use serde_json::{Value, json};
use zupa_core::{Audio, Channel, Content, ErrorKind, Outcome, Voice};

use crate::support::{ANA, Bridge, Phone, Taken, delivery, eventually, has_node};

const CARD: &str = "BEGIN:VCARD\nVERSION:3.0\nFN:Kitchen\nEND:VCARD";

/// A phone on which Ana has written, in this mood, and a bridge that is ready.
async fn with(mood: Value) -> (Phone, Bridge) {
    let phone = Phone::new();
    phone.said("A1", ANA, "hello");
    phone.mood(mood);
    let bridge = phone.bridge();
    bridge.ready().await;
    (phone, bridge)
}

fn place() -> Content {
    Content::Location {
        latitude: -23.550_52,
        longitude: -46.633_308,
        name: Some("the kitchen".to_owned()),
    }
}

fn card() -> Content {
    Content::Contacts {
        cards: vec![json!(CARD)],
    }
}

/// What begins as Opus in Ogg does, or as something else.
fn voice(begins: &[u8]) -> Content {
    let mut bytes = begins.to_vec();
    bytes.resize(28, 0);
    bytes.extend(b"OpusHead, two soups");
    Content::Voice {
        audio: Audio::new("audio/ogg; codecs=opus", bytes),
        transcript: "two soups".to_owned(),
    }
}

/// A file that somebody has sent to this phone.
fn file(handle: &str) -> Content {
    Content::Media {
        mime: "image/png".to_owned(),
        handle: handle.to_owned(),
        caption: None,
        filename: None,
        bytes: None,
        sha256: None,
    }
}

fn reaction(to: &str, emoji: &str) -> Content {
    Content::Reaction {
        to: to.to_owned(),
        emoji: emoji.to_owned(),
    }
}

/// The last message of the phone.
fn last(phone: &Phone) -> Value {
    phone.lines("phone/chats.ndjson").pop().unwrap()
}

fn reactions(phone: &Phone) -> Vec<String> {
    let text = std::fs::read_to_string(phone.path("phone/reactions")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_and_a_card_leave_once_each() {
    if !has_node("a_place_and_a_card_leave_once_each") {
        return;
    }
    let (phone, bridge) = with(json!({})).await;
    for (number, content) in [(1, place()), (2, card())] {
        let first = bridge
            .carry(ANA, delivery(number), 1, content.clone())
            .await;
        let again = bridge.carry(ANA, delivery(number), 2, content).await;
        assert_eq!(first.unwrap(), again.unwrap());
        let sent = last(&phone);
        match number {
            1 => {
                assert_eq!(sent["type"], "location");
                assert_eq!(sent["location"]["latitude"], -23.550_52);
                assert_eq!(sent["location"]["longitude"], -46.633_308);
                assert_eq!(sent["location"]["name"], "the kitchen");
            }
            _ => assert_eq!(
                (&sent["type"], &sent["body"]),
                (&json!("vcard"), &json!(CARD))
            ),
        }
    }
    assert_eq!(phone.sent().len(), 2);
    // A text that looks like a card is a text.
    let text = Content::text(CARD);
    bridge.carry(ANA, delivery(3), 1, text).await.unwrap();
    assert_eq!(last(&phone)["type"], Value::Null);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_found_however_the_page_ends() {
    if !has_node("each_kind_is_found_however_the_page_ends") {
        return;
    }
    for content in [place(), card(), voice(b"OggS")] {
        for mood in ["throws_after", "null_after"] {
            let (phone, bridge) = with(json!({ "send": mood })).await;
            let kind = content.kind();
            let sent = bridge.carry(ANA, delivery(1), 1, content.clone()).await;
            assert!(sent.unwrap().platform_id.is_some(), "{kind} {mood}");
            assert_eq!(phone.sent().len(), 1, "{kind} {mood}");
            bridge.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_message_leaves_once_and_its_file_is_deleted() {
    if !has_node("a_voice_message_leaves_once_and_its_file_is_deleted") {
        return;
    }
    let (phone, bridge) = with(json!({})).await;
    assert_eq!(bridge.bridge.voice(), Voice::Sends);
    for attempt in 1..=2 {
        let sent = bridge
            .carry(ANA, delivery(1), attempt, voice(b"OggS"))
            .await;
        assert!(sent.unwrap().platform_id.is_some());
    }
    assert_eq!(phone.sent().len(), 1);
    let sent = last(&phone);
    assert_eq!(sent["type"], "ptt");
    assert_eq!(sent["media"]["mime"], "audio/ogg; codecs=opus");
    assert_eq!(sent["media"]["size"], 28 + 19);
    let left = std::fs::read_dir(phone.path("session/outgoing")).unwrap();
    assert_eq!(left.count(), 0);
    // No phone plays anything else as a voice message.
    let other = voice(b"RIFF");
    bridge.carry(ANA, delivery(2), 1, other).await.unwrap();
    assert_eq!(last(&phone)["body"], "two soups");
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_came_to_this_phone_leaves_again() {
    if !has_node("a_file_that_came_to_this_phone_leaves_again") {
        return;
    }
    for (mood, mime, kind) in [
        (json!({}), "image/png", "image"),
        (json!({ "send": "throws_after" }), "image/png", "image"),
        // The page makes some pictures smaller.
        (
            json!({ "send": "null_after", "smaller": true }),
            "image/png",
            "image",
        ),
        (json!({}), "application/pdf", "document"),
    ] {
        let (phone, bridge) = with(mood).await;
        phone.shows(
            json!({ "id": "A2", "chat": ANA, "fromMe": false, "body": "",
            "type": kind, "media": { "mime": mime, "data": "dHdvIHNvdXBz", "size": 9 } }),
        );
        eventually("it is accepted", || {
            bridge.taken.handed_in("A2|false|").pop()
        })
        .await;
        let inbound = bridge.taken.handed_in("A2|false|").remove(0);
        let mut again = inbound.content;
        if let Content::Media { caption, .. } = &mut again {
            *caption = Some("as you asked".to_owned());
        }
        for attempt in 1..=2 {
            let content = again.clone();
            let sent = bridge.carry(ANA, delivery(1), attempt, content).await;
            assert!(sent.unwrap().platform_id.is_some());
        }
        assert_eq!(phone.sent().len(), 1);
        let sent = last(&phone);
        assert_eq!(
            (&sent["type"], &sent["body"]),
            (&json!(kind), &json!("as you asked"))
        );
        assert_eq!(sent["media"]["data"], "dHdvIHNvdXBz");
        bridge.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_on_this_phone_does_not_leave() {
    if !has_node("a_file_that_is_not_on_this_phone_does_not_leave") {
        return;
    }
    let (phone, bridge) = with(json!({})).await;
    for (number, handle, kind) in [
        (1, format!("false_{ANA}_A1"), ErrorKind::NotFound),
        (2, format!("false_{ANA}_A9"), ErrorKind::NotFound),
        (
            3,
            "https://example.com/menu.pdf".to_owned(),
            ErrorKind::Unsupported,
        ),
    ] {
        let refused = bridge.carry(ANA, delivery(number), 1, file(&handle)).await;
        let refused = refused.unwrap_err();
        let found = (refused.kind(), refused.outcome(), refused.is_terminal());
        assert_eq!(found, (kind, Outcome::NotApplied, true));
    }
    assert!(phone.sent().is_empty());
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_place_is_no_evidence() {
    if !has_node("another_place_is_no_evidence") {
        return;
    }
    let (phone, bridge) = with(json!({ "send": "throws" })).await;
    phone.shows(
        json!({ "id": "H1", "chat": ANA, "fromMe": true, "typed": true, "body": "",
        "type": "location", "location": { "latitude": -23.56, "longitude": -46.633_308 } }),
    );
    let doubt = bridge
        .carry(ANA, delivery(1), 1, place())
        .await
        .unwrap_err();
    assert_eq!(doubt.outcome(), Outcome::Unknown);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_set_on_its_message_under_either_name_of_the_chat() {
    if !has_node("a_reaction_is_set_on_its_message_under_either_name_of_the_chat") {
        return;
    }
    let phone = Phone::new();
    std::fs::write(
        phone.path("phone/names.json"),
        json!({ "99@lid": ANA }).to_string(),
    )
    .unwrap();
    phone.said("A1", "99@lid", "hello");
    phone.said("A2", ANA, "again");
    let bridge = phone.bridge_with(phone.config(), Taken::default());
    bridge.ready().await;
    for (number, to, emoji) in [
        (1, "A1|false|", "+"),
        (2, "A2|false|", "-"),
        (3, "A1|false|", ""),
    ] {
        let sent = bridge
            .carry(ANA, delivery(number), 1, reaction(to, emoji))
            .await;
        assert_eq!(sent.unwrap().platform_id, None);
    }
    assert_eq!(reactions(&phone), ["A1 +", "A2 -", "A1 "]);
    for (number, to) in [(4, "A9|false|"), (5, "wamid.of-another-door")] {
        let gone = bridge
            .carry(ANA, delivery(number), 1, reaction(to, "+"))
            .await
            .unwrap_err();
        let found = (gone.kind(), gone.outcome(), gone.is_terminal());
        assert_eq!(found, (ErrorKind::NotFound, Outcome::NotApplied, true));
    }
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_in_doubt_is_made_again_since_twice_is_the_same() {
    if !has_node("a_reaction_in_doubt_is_made_again") {
        return;
    }
    let (phone, bridge) = with(json!({ "react": "throws" })).await;
    let doubt = bridge
        .carry(ANA, delivery(1), 1, reaction("A1|false|", "+"))
        .await;
    assert_eq!(doubt.unwrap_err().outcome(), Outcome::Unknown);
    phone.mood(json!({}));
    let sent = bridge
        .carry(ANA, delivery(1), 2, reaction("A1|false|", "+"))
        .await;
    sent.unwrap();
    assert_eq!(reactions(&phone), ["A1 +"]);
    bridge.close().await;
}
