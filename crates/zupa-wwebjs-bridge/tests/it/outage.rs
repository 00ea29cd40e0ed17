//! What happens on the phone while sidecar and zupa are gone.

use std::time::Duration;

use serde_json::json;
use zupa_core::{Content, ReceiptNews};
use zupa_wwebjs_bridge::Groups;

use crate::support::{ANA, Phone, Taken, eventually, has_node, now};

const BEA: &str = "15550002222@c.us";
const CLARA: &str = "99@lid";
const GROUP: &str = "120363000000000000@g.us";

fn seconds() -> i64 {
    now().0 / 1_000_000
}

/// Everything was told up to this long ago, and then zupa was gone.
fn gone_for(phone: &Phone, seconds: i64) {
    let at = now().0 / 1_000 - seconds * 1_000;
    std::fs::write(phone.path("session/caught-up"), format!("{at}\n")).unwrap();
}

fn noted(phone: &Phone, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(phone.path("phone").join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_of_several_chats_come_in_once_in_order_and_before_what_is_said_now() {
    if !has_node("ten_minutes_of_several_chats_come_in_once") {
        return;
    }
    let phone = Phone::new();
    let taken = Taken::default();
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    bridge.ready().await;
    let begin = seconds() - 600;
    let chats = [ANA, BEA, CLARA];
    for (place, chat) in chats.iter().enumerate() {
        let said = json!({ "id": format!("B{place}"), "chat": chat, "fromMe": false,
            "body": "before", "t": begin - 5 });
        phone.shows(said);
    }
    eventually("they are accepted", || {
        (taken.inbounds().len() == 3).then_some(())
    })
    .await;
    bridge.kill().await;

    gone_for(&phone, 600);
    let mut said = vec![vec!["before".to_owned()]; 3];
    for number in 0..60 {
        let at = begin + number * 10;
        let place = usize::try_from(number).unwrap() % 3;
        let text = format!("missed {number}");
        phone.shows(
            json!({ "id": format!("M{number}"), "chat": chats[place], "fromMe": false,
            "body": text, "t": at }),
        );
        phone.shows(
            json!({ "id": format!("G{number}"), "chat": GROUP, "fromMe": false,
            "participant": ANA, "body": "of no concern", "t": at }),
        );
        said[place].push(text);
    }
    phone.mood(json!({ "fetch": "waits" }));
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    eventually("a chat is being read", || {
        (!noted(&phone, "fetched").is_empty()).then_some(())
    })
    .await;
    for (place, chat) in chats.iter().enumerate() {
        phone.said(&format!("N{place}"), chat, "now");
        said[place].push("now".to_owned());
    }
    eventually("the library has told what is said now", || {
        let heard = noted(&phone, "heard");
        heard.contains(&"N2".to_owned()).then_some(())
    })
    .await;
    phone.mood(json!({}));
    eventually("all are accepted", || {
        (taken.inbounds().len() >= 66).then_some(())
    })
    .await;
    bridge.ready().await;
    bridge.kill().await;
    // And once more, over the same ten minutes.
    gone_for(&phone, 600);
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    bridge.ready().await;
    phone.said("END", ANA, "end");
    said[0].push("end".to_owned());
    eventually("the last is accepted", || {
        (!taken.handed_in("END|false|").is_empty()).then_some(())
    })
    .await;
    for (place, chat) in chats.iter().enumerate() {
        assert_eq!(taken.texts(chat), said[place], "{chat}");
    }
    assert_eq!(taken.inbounds().len(), 67);
    assert!(!noted(&phone, "fetched").contains(&GROUP.to_owned()));
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_before_the_client_is_ready_comes_after_what_was_missed() {
    if !has_node("what_is_told_before_the_client_is_ready_comes_after_what_was_missed") {
        return;
    }
    let phone = Phone::new();
    for number in 1..=3 {
        phone.said(&format!("A{number}"), ANA, &format!("m{number}"));
    }
    phone.mood(json!({ "early": true }));
    let bridge = phone.bridge();
    bridge.ready().await;
    eventually("all are accepted", || {
        (bridge.taken.inbounds().len() == 3).then_some(())
    })
    .await;
    assert_eq!(bridge.taken.texts(ANA), ["m1", "m2", "m3"]);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_answered_is_caught_up_with() {
    if !has_node("a_group_that_is_answered_is_caught_up_with") {
        return;
    }
    let phone = Phone::new();
    phone.shows(
        json!({ "id": "G1", "chat": GROUP, "fromMe": false, "participant": ANA,
        "body": "hello all" }),
    );
    let mut config = phone.config();
    config.groups = Groups::Answer;
    let bridge = phone.bridge_with(config, Taken::default());
    eventually("it is accepted", || bridge.taken.inbounds().pop()).await;
    assert_eq!(bridge.taken.texts(GROUP), ["hello all"]);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_out_is_not_known_as_told() {
    if !has_node("what_was_left_out_is_not_known_as_told") {
        return;
    }
    let phone = Phone::new();
    let mut config = phone.config();
    config.backlog = Duration::from_secs(60);
    let bridge = phone.bridge_with(config, Taken::default());
    bridge.ready().await;
    phone.shows(
        json!({ "id": "OLD", "chat": ANA, "fromMe": false, "body": "long ago",
        "t": seconds() - 120 }),
    );
    phone.said("A1", ANA, "hello");
    eventually("the other is accepted", || bridge.taken.inbounds().pop()).await;
    assert_eq!(bridge.taken.texts(ANA), ["hello"]);
    bridge.close().await;
    // Somebody has made it longer.
    let bridge = phone.bridge_with(phone.config(), Taken::default());
    eventually("it is accepted now", || {
        bridge.taken.handed_in("OLD|false|").pop()
    })
    .await;
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_of_ours_that_is_behind_costs_no_message() {
    if !has_node("a_clock_of_ours_that_is_behind_costs_no_message") {
        return;
    }
    let phone = Phone::new();
    let bridge = phone.bridge();
    bridge.ready().await;
    phone.shows(
        json!({ "id": "A1", "chat": ANA, "fromMe": false, "body": "hello",
        "t": seconds() + 400 }),
    );
    let inbound = eventually("it is accepted", || bridge.taken.inbounds().pop()).await;
    assert!(inbound.platform_time.unwrap() <= now());
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_of_ours_that_is_ahead_costs_no_message() {
    if !has_node("a_clock_of_ours_that_is_ahead_costs_no_message") {
        return;
    }
    let phone = Phone::new();
    let taken = Taken::default();
    // By WhatsApp's clock, whatever is said is said 15 minutes ago.
    let says = |id: &str| {
        phone.shows(json!({ "id": id, "chat": ANA, "fromMe": false, "body": id,
            "t": seconds() - 900 }));
    };
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    bridge.ready().await;
    says("A1");
    eventually("it is accepted", || taken.inbounds().pop()).await;
    let before = std::fs::read_to_string(phone.path("session/caught-up")).unwrap();
    eventually("the connection is looked at", || {
        let now = std::fs::read_to_string(phone.path("session/caught-up"));
        (now.ok()? != before).then_some(())
    })
    .await;
    bridge.kill().await;
    says("A2");
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    eventually("what was missed is accepted", || {
        taken.handed_in("A2|false|").pop()
    })
    .await;
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_messages_meanwhile_is_told_once() {
    if !has_node("what_was_done_to_messages_meanwhile_is_told_once") {
        return;
    }
    let phone = Phone::new();
    let taken = Taken::default();
    let bridge = phone.bridge_with(phone.config(), taken.clone());
    bridge.ready().await;
    let before = seconds() - 1_200;
    for id in ["A1", "A2", "A3"] {
        phone.shows(
            json!({ "id": id, "chat": ANA, "fromMe": false, "body": "before",
            "t": before }),
        );
    }
    eventually("they are accepted", || {
        (taken.inbounds().len() == 3).then_some(())
    })
    .await;
    bridge.close().await;

    gone_for(&phone, 600);
    let at = seconds() - 300;
    let done = |id: &str, event: &str, body: &str| {
        json!({ "id": id, "chat": ANA, "fromMe": false, "event": event, "body": body,
            "t": at, "edited": at * 1_000 })
    };
    phone.shows(done("A1", "edit", "three soups"));
    phone.shows(done("A2", "revoke", ""));
    let mut reaction = done("R1", "reaction", "+");
    reaction["to"] = "A3".into();
    phone.shows(reaction);
    // What was said meanwhile is told as it is now, and what was taken back is not.
    for id in ["B1", "B2"] {
        phone.shows(
            json!({ "id": id, "chat": ANA, "fromMe": false, "body": "meanwhile",
            "t": at }),
        );
    }
    phone.shows(done("B1", "edit", "as it is now"));
    phone.shows(done("B2", "revoke", ""));
    for _ in 0..2 {
        let bridge = phone.bridge_with(phone.config(), taken.clone());
        bridge.ready().await;
        bridge.close().await;
        gone_for(&phone, 600);
    }
    let said = |id: &str| taken.handed_in(id).pop().unwrap().content;
    assert_eq!(said("B1|false|"), Content::text("as it is now"));
    let to = "A3|false|".to_owned();
    let emoji = "+".to_owned();
    assert_eq!(said("R1|false||+"), Content::Reaction { to, emoji });
    assert_eq!(taken.inbounds().len(), 5);
    assert_eq!(taken.duplicates(), 0);
    let receipts = taken.receipts();
    let news: Vec<_> = receipts
        .iter()
        .map(|one| (one.about.as_str(), one.news.clone()))
        .collect();
    let edit = ReceiptNews::Edit {
        content: Content::text("three soups"),
    };
    assert_eq!(
        news,
        [("A1|false|", edit), ("A2|false|", ReceiptNews::Revoke)]
    );
}
