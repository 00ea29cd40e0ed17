//! What becomes of a send, however the page and the sidecar behave.

use serde_json::json;
use zupa_core::{ErrorKind, Outcome, ReceiptNews};

use crate::support::{ANA, Bridge, Phone, Taken, delivery, eventually, has_node};

/// A phone on which Ana has written, in this mood, and a bridge that is ready.
async fn with(mood: serde_json::Value) -> (Phone, Bridge) {
    let phone = Phone::new();
    phone.said("A1", ANA, "hello");
    phone.mood(mood);
    let bridge = phone.bridge();
    bridge.ready().await;
    (phone, bridge)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_is_sent_when_whatsapp_has_it_and_asking_again_sends_nothing() {
    if !has_node("a_send_is_sent_when_whatsapp_has_it") {
        return;
    }
    let (phone, bridge) = with(json!({})).await;
    let first = bridge.send(delivery(1), 1, "good day").await.unwrap();
    let again = bridge.send(delivery(1), 2, "good day").await.unwrap();
    assert_eq!(first, again);
    assert!(first.platform_id.is_some());
    assert_eq!(phone.sent(), [(ANA.to_owned(), "good day".to_owned())]);
    eventually("a receipt carries the key", || {
        bridge.taken.is_sent(delivery(1)).then_some(())
    })
    .await;
    let call = &phone.lines("phone/calls.ndjson")[0];
    assert_eq!(call["options"]["sendSeen"], false);
    assert_eq!(call["options"]["waitUntilMsgSent"], true);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_human_types_is_theirs_and_what_the_bot_sends_is_not() {
    if !has_node("what_a_human_types_is_theirs_and_what_the_bot_sends_is_not") {
        return;
    }
    let (phone, bridge) = with(json!({})).await;
    bridge.send(delivery(1), 1, "good day").await.unwrap();
    phone.shows(json!({
        "id": "H1", "chat": ANA, "fromMe": true, "typed": true, "body": "I am here myself",
    }));
    bridge.send(delivery(2), 1, "good night").await.unwrap();
    // In order: what the bot has sent was told by then, and is not among the echoes.
    eventually("the last send is told", || {
        bridge.taken.is_sent(delivery(2)).then_some(())
    })
    .await;
    let echoes = || {
        let news = bridge.taken.news().into_iter();
        news.filter_map(|news| match news {
            ReceiptNews::Echo { to } => Some(to.alias.as_str().to_owned()),
            _ => None,
        })
        .collect::<Vec<_>>()
    };
    eventually("the echo is told", || (!echoes().is_empty()).then_some(())).await;
    assert_eq!(echoes(), [ANA]);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_is_found_however_the_page_ends() {
    if !has_node("what_left_is_found_however_the_page_ends") {
        return;
    }
    for mood in ["ack_first", "throws_after", "null_after", "hangs_after"] {
        let (phone, bridge) = with(json!({ "send": mood })).await;
        let sent = bridge.send(delivery(1), 1, "good day").await;
        assert!(sent.unwrap().platform_id.is_some(), "{mood}");
        assert_eq!(phone.sent().len(), 1, "{mood}");
        bridge.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_certainly_not_left_may_be_sent_again() {
    if !has_node("what_has_certainly_not_left_may_be_sent_again") {
        return;
    }
    let (phone, bridge) = with(json!({ "send": "null" })).await;
    let refused = bridge.send(delivery(1), 1, "good day").await.unwrap_err();
    assert_eq!(refused.outcome(), Outcome::NotApplied, "{refused}");
    assert!(refused.is_transient());
    phone.mood(json!({}));
    bridge.send(delivery(1), 2, "good day").await.unwrap();
    assert_eq!(phone.sent().len(), 1);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_left_is_not_sent_again() {
    if !has_node("what_may_have_left_is_not_sent_again") {
        return;
    }
    for mood in ["throws", "hangs"] {
        let (phone, bridge) = with(json!({ "send": mood })).await;
        for attempt in 1..=2 {
            let doubt = bridge.send(delivery(1), attempt, "good day").await;
            let doubt = doubt.unwrap_err();
            assert_eq!(doubt.outcome(), Outcome::Unknown, "{mood}: {doubt}");
        }
        assert_eq!(phone.lines("phone/calls.ndjson").len(), 1, "{mood}");
        bridge.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_whatsapp_does_not_take_has_failed() {
    if !has_node("a_message_that_whatsapp_does_not_take_has_failed") {
        return;
    }
    let (_phone, bridge) = with(json!({ "send": "refused" })).await;
    let failed = bridge.send(delivery(1), 1, "good day").await.unwrap_err();
    assert_eq!(failed.outcome(), Outcome::NotApplied);
    assert!(failed.is_terminal());
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_outlives_the_sidecar_and_the_supervisor() {
    if !has_node("an_answer_outlives_the_sidecar_and_the_supervisor") {
        return;
    }
    let (phone, bridge) = with(json!({})).await;
    let first = bridge.send(delivery(1), 1, "good day").await.unwrap();
    bridge.kill().await;
    let bridge = phone.bridge_with(phone.config(), Taken::default());
    bridge.ready().await;
    let again = bridge.send(delivery(1), 2, "good day").await.unwrap();
    assert_eq!(first, again);
    assert_eq!(phone.sent().len(), 1);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_written_to_first() {
    if !has_node("nobody_is_written_to_first") {
        return;
    }
    let (phone, bridge) = with(json!({})).await;
    let stranger = "15550009999@c.us";
    let unknown = bridge.send_to(stranger, delivery(1), 1, "hi").await;
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
    // A chat in which only the phone's owner has written.
    phone
        .shows(json!({ "id": "O1", "chat": stranger, "fromMe": true, "typed": true, "body": "x" }));
    let silent = bridge
        .send_to(stranger, delivery(2), 1, "hi")
        .await
        .unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::Invalid);
    assert!(silent.is_terminal());
    assert!(phone.sent().is_empty());
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_stops_every_send_at_once() {
    if !has_node("a_block_stops_every_send_at_once") {
        return;
    }
    for state in [
        "TOS_BLOCK",
        "SMB_TOS_BLOCK",
        "PROXYBLOCK",
        "CONFLICT",
        "DEPRECATED_VERSION",
    ] {
        let (phone, bridge) = with(json!({})).await;
        phone.mood(json!({ "state": state }));
        bridge
            .until("blocked", |status| status.state.as_str() == "blocked")
            .await;
        let refused = bridge.send(delivery(1), 1, "good day").await.unwrap_err();
        assert_eq!(refused.outcome(), Outcome::NotApplied);
        assert!(phone.lines("phone/calls.ndjson").is_empty());
        bridge.close().await;
    }
}
