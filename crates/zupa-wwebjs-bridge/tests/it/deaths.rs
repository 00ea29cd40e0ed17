//! A sidecar that dies in every way there is, all the time, while people write and are
//! answered. `ZUPA_BRIDGE_DEATHS=200` is the whole of it; a tenth runs always.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use zupa_core::{DeliveryId, Outcome};
use zupa_wwebjs_bridge::State;

use crate::support::{Bridge, PATIENCE, Phone, Taken, delivery, has_node, variable};

const CHATS: usize = 4;
/// Messages without an answer, at most.
const OPEN: usize = 24;
/// What the runtime gives a delivery.
const ATTEMPTS: u32 = 8;

fn chat(number: usize) -> String {
    format!("1555000{number:04}@c.us")
}

/// Answers each message of a chat once it is accepted, in order and one at a time, as the
/// runtime does: asked again where nobody knows, tried again where it has not left.
async fn answer_all(
    bridge: Arc<Bridge>,
    taken: Taken,
    chat: String,
    number: usize,
    unknown: Arc<Mutex<HashSet<String>>>,
    answered: Arc<Mutex<BTreeMap<String, usize>>>,
) {
    for place in 0.. {
        let said = loop {
            if let Some(said) = taken.texts(&chat).get(place) {
                break said.clone();
            }
            sleep(Duration::from_millis(10)).await;
        };
        let key = delivery((number as u128) << 32 | place as u128);
        let reply = format!("re: {said}");
        if !answer(&bridge, &taken, &chat, key, &reply).await {
            unknown.lock().unwrap().insert(reply);
        }
        *answered.lock().unwrap().entry(chat.clone()).or_default() += 1;
    }
}

/// False if nobody knows whether it left.
async fn answer(bridge: &Bridge, taken: &Taken, chat: &str, key: DeliveryId, text: &str) -> bool {
    let (mut attempt, mut doubts) = (0, 0);
    while doubts < ATTEMPTS {
        // For as long as it takes: all of it has an end.
        let mut status = bridge.bridge.status();
        let ready = status.wait_for(|status| status.state == State::Ready);
        ready.await.unwrap();
        attempt += 1;
        match bridge.send_to(chat, key, attempt, text).await {
            Ok(_) => return true,
            Err(_) if taken.is_sent(key) => return true,
            Err(error) if error.outcome() == Outcome::Unknown => doubts += 1,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
    taken.is_sent(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_out_of_order_over_many_deaths() {
    if !has_node("nothing_is_lost_doubled_or_out_of_order_over_many_deaths") {
        return;
    }
    let wanted: u64 = variable("ZUPA_BRIDGE_DEATHS").map_or(20, |count| count.parse().unwrap());
    let phone = Phone::new();
    phone.mood(json!({ "seed": 7, "deaths": { "rate": 0.05 }, "wrong_version": 11 }));
    let taken = Taken::default();
    let bridge = Arc::new(phone.bridge_with(phone.config(), taken.clone()));
    let unknown: Arc<Mutex<HashSet<String>>> = Arc::default();
    let answered: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    for number in 0..CHATS {
        tokio::spawn(answer_all(
            Arc::clone(&bridge),
            taken.clone(),
            chat(number),
            number,
            Arc::clone(&unknown),
            Arc::clone(&answered),
        ));
    }
    let mut said: Vec<Vec<String>> = vec![Vec::new(); CHATS];
    let mut place = 0;
    while bridge.bridge.status().borrow().starts <= wanted {
        let (number, text) = (place % CHATS, format!("m{place}"));
        phone.said(&format!("A{place}"), &chat(number), &text);
        said[number].push(text);
        place += 1;
        sleep(Duration::from_millis(60)).await;
        // A sidecar that dies of each message must not have ever more of them to tell.
        while place > answered.lock().unwrap().values().sum::<usize>() + OPEN
            && bridge.bridge.status().borrow().starts <= wanted
        {
            sleep(Duration::from_millis(20)).await;
        }
    }
    let deaths = bridge.bridge.status().borrow().starts - 1;
    phone.mood(json!({}));
    let all: usize = said.iter().map(Vec::len).sum();
    let drained = async {
        while answered.lock().unwrap().values().sum::<usize>() < all {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, drained).await.unwrap();

    let unknown = unknown.lock().unwrap().clone();
    let sent = phone.sent();
    for (number, said) in said.iter().enumerate() {
        let chat = chat(number);
        // None lost, none accepted twice, none out of order.
        assert_eq!(taken.texts(&chat), *said);
        let replies: Vec<_> = sent.iter().filter(|(to, _)| *to == chat).collect();
        let of = |reply: &String| replies.iter().position(|(_, text)| text == reply);
        let mut last = None;
        for text in said {
            let reply = format!("re: {text}");
            let count = replies.iter().filter(|(_, sent)| *sent == reply).count();
            match unknown.contains(&reply) {
                true => assert!(count <= 1, "{reply} left {count} times"),
                false => {
                    assert_eq!(count, 1, "{reply} left {count} times");
                    assert!(of(&reply) > last, "{reply} is out of order");
                    last = of(&reply);
                }
            }
        }
    }
    eprintln!(
        "{deaths} deaths, {all} messages, {} sends, {} unknown, {} duplicates told",
        sent.len(),
        unknown.len(),
        taken.duplicates()
    );
    assert!(unknown.len() as u64 <= deaths);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_die_is_seen_and_survived() {
    if !has_node("each_way_to_die_is_seen_and_survived") {
        return;
    }
    for (way, reasons) in [
        ("kill", &["died"][..]),
        ("hang", &["silent"]),
        ("garbage", &["bad_frame"]),
        ("huge", &["bad_frame"]),
        ("skipped", &["bad_frame"]),
        ("hello_again", &["bad_frame"]),
        ("drip", &["silent"]),
        ("partial", &["died"]),
    ] {
        let phone = Phone::new();
        let bridge = phone.bridge();
        bridge.ready().await;
        phone.mood(json!({ "deaths": { "rate": 1.0, "ways": [way] } }));
        phone.said("A1", crate::support::ANA, way);
        bridge
            .until("dead", |status| {
                status
                    .state
                    .reason()
                    .is_some_and(|why| reasons.contains(&why))
            })
            .await;
        phone.mood(json!({}));
        bridge.ready().await;
        crate::support::eventually("nothing is lost", || bridge.taken.inbounds().pop()).await;
        bridge.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_refused() {
    if !has_node("another_version_is_refused") {
        return;
    }
    let phone = Phone::new();
    phone.mood(json!({ "wrong_version": 1 }));
    let bridge = phone.bridge();
    bridge
        .until("refused", |status| {
            status.state.reason() == Some("protocol")
        })
        .await;
    bridge.close().await;

    let phone = Phone::new();
    let library = phone.path("sidecar/node_modules/whatsapp-web.js/index.js");
    let text = std::fs::read_to_string(&library).unwrap();
    std::fs::write(
        &library,
        text.replace("version: '1.34.7'", "version: '2.0.0'"),
    )
    .unwrap();
    let bridge = phone.bridge();
    bridge
        .until("refused", |status| {
            status.state.reason() == Some("library_version")
        })
        .await;
    std::fs::remove_file(library).unwrap();
    bridge
        .until("refused", |status| {
            status.state.reason() == Some("library_missing")
        })
        .await;
    bridge.close().await;
}
