//! What a phone says comes in once, in order, however the sidecar fares.

use serde_json::json;
use zupa_core::{Alias, ErrorKind, ReceiptNews};
use zupa_wwebjs_bridge::{Pairing, State};

use crate::support::{ANA, Phone, Taken, eventually, has_node};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_accepted_once_however_often_the_library_tells_it() {
    if !has_node("a_message_is_accepted_once_however_often_the_library_tells_it") {
        return;
    }
    let phone = Phone::new();
    phone.mood(json!({ "twice": true, "ready": 3 }));
    let bridge = phone.bridge();
    bridge.ready().await;
    phone.said("A1", ANA, "hello");
    phone.said("A2", ANA, "again");
    eventually("both are accepted", || {
        (bridge.taken.texts(ANA).len() == 2).then_some(())
    })
    .await;
    assert_eq!(bridge.taken.texts(ANA), ["hello", "again"]);
    assert_eq!(bridge.taken.duplicates(), 0);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_put_together_from_its_parts() {
    if !has_node("an_id_is_put_together_from_its_parts") {
        return;
    }
    let phone = Phone::new();
    phone.mood(json!({ "renamed": true }));
    std::fs::write(
        phone.path("phone/names.json"),
        json!({ "99@lid": ANA }).to_string(),
    )
    .unwrap();
    let bridge = phone.bridge();
    bridge.ready().await;
    phone.said("A1", "99@lid", "hello");
    eventually("it is accepted", || bridge.taken.inbounds().pop()).await;
    let inbound = bridge.taken.inbounds().remove(0);
    assert_eq!(inbound.platform_id.unwrap().as_str(), "A1|false|");
    assert_eq!(inbound.address.alias.as_str(), ANA);
    assert_eq!(inbound.also, [Alias::parse("99@lid").unwrap()]);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_nobody_listened_comes_in_once_and_before_what_is_said_now() {
    if !has_node("what_was_said_while_nobody_listened_comes_in_once") {
        return;
    }
    let phone = Phone::new();
    let taken = Taken::default();
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    bridge.ready().await;
    phone.said("A0", ANA, "before");
    eventually("it is accepted", || taken.inbounds().pop()).await;
    bridge.close().await;

    for number in 1..=120 {
        phone.said(&format!("A{number}"), ANA, &format!("missed {number}"));
    }
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    eventually("the sidecar runs", || {
        (bridge.bridge.status().borrow().starts > 0).then_some(())
    })
    .await;
    phone.said("A999", ANA, "now");
    eventually("all are accepted", || {
        (taken.texts(ANA).len() == 122).then_some(())
    })
    .await;
    let texts = taken.texts(ANA);
    assert_eq!(texts[0], "before");
    assert_eq!(texts[1], "missed 1");
    assert_eq!(texts[120], "missed 120");
    assert_eq!(texts[121], "now");
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_frame_runs_no_turn() {
    if !has_node("a_forged_frame_runs_no_turn") {
        return;
    }
    let phone = Phone::new();
    let bridge = phone.bridge();
    bridge.ready().await;
    let line = |id: &str| json!({ "id": id, "chat": ANA, "fromMe": false, "body": "forged" });
    let mut own = line("F1");
    own["forged"] = json!({ "id": { "fromMe": true, "remote": ANA, "id": "F1" } });
    let mut future = line("F2");
    future["t"] = 4_000_000_000_i64.into();
    let mut history = line("F3");
    history["isNewMsg"] = false.into();
    let mut mismatch = line("F4");
    mismatch["forged"] = json!({ "from": "15550002222@c.us" });
    for forged in [own, future, history, mismatch] {
        phone.shows(forged);
    }
    phone.said("A1", ANA, "honest");
    eventually("the honest one is accepted", || {
        bridge.taken.inbounds().pop()
    })
    .await;
    assert_eq!(bridge.taken.texts(ANA), ["honest"]);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_revoke_are_news_of_the_message() {
    if !has_node("an_edit_and_a_revoke_are_news_of_the_message") {
        return;
    }
    let phone = Phone::new();
    let bridge = phone.bridge();
    bridge.ready().await;
    phone.said("A1", ANA, "hello");
    let news = |event: &str| json!({ "id": "A1", "chat": ANA, "fromMe": false, "body": "bye", "event": event });
    phone.shows(news("edit"));
    phone.shows(news("revoke"));
    eventually("both are news", || {
        (bridge.taken.news().len() == 2).then_some(())
    })
    .await;
    let news = bridge.taken.news();
    assert!(matches!(news[0], ReceiptNews::Edit { .. }));
    assert_eq!(news[1], ReceiptNews::Revoke);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_not_paired_shows_its_code_and_is_not_ready() {
    if !has_node("a_phone_that_is_not_paired_shows_its_code_and_is_not_ready") {
        return;
    }
    let phone = Phone::new();
    phone.mood(json!({ "start": "qr" }));
    let bridge = phone.bridge();
    let status = bridge
        .until("asking for a scan", |status| status.pairing.is_some())
        .await;
    assert_eq!(status.pairing, Some(Pairing::Qr("2@fake-code".to_owned())));
    assert_eq!(status.state, State::Starting);
    assert!(!format!("{status:?}").contains("fake-code"));
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_start_says_why_and_is_started_again() {
    if !has_node("a_client_that_cannot_start_says_why_and_is_started_again") {
        return;
    }
    let phone = Phone::new();
    phone.mood(json!({ "start": "throws" }));
    let bridge = phone.bridge();
    bridge
        .until("without a network", |status| {
            status.state == State::Degraded("no_network") && status.starts > 2
        })
        .await;
    phone.mood(json!({}));
    bridge.ready().await;
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_the_page_was_loaded_anew_is_caught_up_with() {
    if !has_node("what_was_said_while_the_page_was_loaded_anew_is_caught_up_with") {
        return;
    }
    let phone = Phone::new();
    let bridge = phone.bridge();
    bridge.ready().await;
    phone.mood(json!({ "state": "TIMEOUT", "probe": "TIMEOUT", "deaf": true }));
    bridge
        .until("degraded", |status| {
            status.state == State::Degraded("timeout")
        })
        .await;
    phone.said("A1", ANA, "missed");
    eventually("the client has not told it", || {
        phone.path("phone/unheard").exists().then_some(())
    })
    .await;
    phone.mood(json!({ "state": "CONNECTED" }));
    eventually("it is accepted", || bridge.taken.inbounds().pop()).await;
    bridge.ready().await;
    assert_eq!(bridge.bridge.status().borrow().starts, 1);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_accept_did_not_make_durable_is_not_confirmed_whatever_it_says() {
    if !has_node("what_accept_did_not_make_durable_is_not_confirmed") {
        return;
    }
    let phone = Phone::new();
    let taken = Taken::default();
    taken.refuse(&[ErrorKind::DurabilityLost, ErrorKind::Internal]);
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    bridge.ready().await;
    phone.said("A1", ANA, "hello");
    eventually("it is accepted in the end", || taken.inbounds().pop()).await;
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_high_water_mark_the_phone_keeps_what_comes() {
    if !has_node("at_the_high_water_mark_the_phone_keeps_what_comes") {
        return;
    }
    let phone = Phone::new();
    let taken = Taken::default();
    taken.refuse(&[ErrorKind::Unavailable; 3]);
    let mut config = phone.config();
    config.pulse.spool_events = 4;
    let bridge = phone.bridge_with(config, taken.clone());
    bridge.ready().await;
    for number in 0..12 {
        phone.said(&format!("A{number}"), ANA, &format!("m{number}"));
    }
    bridge
        .until("offline", |status| {
            status.state == State::Degraded("spool_full")
        })
        .await;
    eventually("all are accepted", || {
        (taken.texts(ANA).len() == 12).then_some(())
    })
    .await;
    let said: Vec<_> = (0..12).map(|number| format!("m{number}")).collect();
    assert_eq!(taken.texts(ANA), said);
    assert_eq!(bridge.bridge.status().borrow().starts, 1);
    bridge.close().await;
}
