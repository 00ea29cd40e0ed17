//! Requests of which one item is spoilt in its structure: whatever becomes of it, no other
//! is lost, and every item is a message, news, or counted.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use zupa_core::Webhook;

use crate::support::{NUMBER, change, config, envelope, post, webhook};

/// Requests: a million with ZUPA_CASES=1000000.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says how long"
)]
fn cases() -> u32 {
    let wanted = std::env::var("ZUPA_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(1_000)
}

/// What serde writes as `"raw n"`, and what stands there instead: half of a surrogate pair,
/// a number beyond all bounds, lists within lists, the same name twice.
fn raw() -> [String; 5] {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    ["\"\\ud83d\"", "1e999", &deep, "{\"id\":1,\"id\":2}", "-0.0"].map(str::to_owned)
}

/// One item of every kind, each with an id of its own where it has one.
fn items() -> Vec<(&'static str, Value)> {
    let file = json!({ "id": "900", "mime_type": "a/b", "sha256": "AAEC", "caption": "c" });
    let words = json!({ "type": "text", "text": { "body": "new" } });
    let says = |kind: &str, body: Value| {
        let mut said = json!({
            "from": "15550001111", "from_user_id": "US.1a2B", "timestamp": "1700000000",
            "type": kind, "context": { "id": "wamid.0", "from": "15550000000" },
        });
        said[kind] = body;
        ("messages", said)
    };
    let mut items = vec![
        says("text", json!({ "body": "hello" })),
        says("image", file.clone()),
        says("audio", file.clone()),
        says("document", file),
        says(
            "location",
            json!({ "latitude": 1.5, "longitude": -2, "name": "n" }),
        ),
        says(
            "contacts",
            json!([{ "name": { "formatted_name": "Ana" }, "phones": [] }]),
        ),
        says(
            "interactive",
            json!({ "type": "list_reply", "list_reply": { "id": "3", "title": "T" } }),
        ),
        says(
            "interactive",
            json!({ "type": "nfm_reply", "nfm_reply": { "response_json": "{" } }),
        ),
        says("button", json!({ "text": "Yes", "payload": "y" })),
        says("reaction", json!({ "message_id": "wamid.0", "emoji": "+" })),
        says(
            "order",
            json!({ "catalog_id": "1", "product_items": [{ "quantity": 1 }] }),
        ),
        says("unsupported", json!({ "type": "poll" })),
        says(
            "edit",
            json!({ "original_message_id": "wamid.0", "message": words }),
        ),
        says("revoke", json!({ "original_message_id": "wamid.0" })),
        says(
            "system",
            json!({ "type": "user_changed_number", "wa_id": "15550002222" }),
        ),
    ];
    for word in ["sent", "delivered", "read", "failed"] {
        let status = json!({
            "status": word, "timestamp": "1700000000", "recipient_id": "15550001111",
            "errors": [{ "code": 131_026, "error_data": { "details": "d" } }],
            "biz_opaque_callback_data": "key",
        });
        items.push(("statuses", status));
    }
    items.push((
        "message_echoes",
        json!({ "from": "15550000000", "to": "15550001111", "timestamp": "1700000000",
            "type": "text", "text": { "body": "by hand" } }),
    ));
    for (place, (_, item)) in items.iter_mut().enumerate() {
        item["id"] = format!("wamid.{place}").into();
    }
    items
}

/// What stands in the place of some part of an item.
fn junk() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        (0..5_usize).prop_map(|place| Value::from(format!("raw {place}"))),
        Just(Value::from("x".repeat(300))),
        Just(Value::from("\u{0}")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,12}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Puts junk, or, without any, nothing, where the steps lead.
fn spoil(item: &mut Value, steps: &[prop::sample::Index], junk: Option<Value>) {
    let Some((step, rest)) = steps.split_first() else {
        *item = junk.unwrap_or(Value::Null);
        return;
    };
    match item {
        Value::Object(fields) if !fields.is_empty() => {
            let name = step
                .get(&fields.keys().cloned().collect::<Vec<_>>())
                .clone();
            if rest.is_empty() && junk.is_none() {
                fields.remove(&name);
            } else {
                spoil(&mut fields[&name], rest, junk);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            let place = step.index(list.len());
            spoil(&mut list[place], rest, junk);
        }
        leaf => *leaf = junk.unwrap_or(Value::Null),
    }
}

fn request(items: &[(&str, Value)]) -> String {
    let of = |name: &str| {
        let list = items.iter().filter(|(list, _)| *list == name);
        list.map(|(_, item)| item.clone()).collect::<Vec<_>>()
    };
    let contacts = json!([{ "wa_id": "15550001111", "user_id": "US.1a2B" }]);
    let mut echoes = change(NUMBER, json!({ "message_echoes": of("message_echoes") }));
    echoes["field"] = "smb_message_echoes".into();
    let said = json!({
        "contacts": contacts, "messages": of("messages"), "statuses": of("statuses"),
    });
    let body = envelope(&[change(NUMBER, said), echoes]).to_string();
    let raw = raw().into_iter().enumerate();
    raw.fold(body, |body, (place, raw)| {
        body.replace(&format!("\"raw {place}\""), &raw)
    })
}

/// How many items were read or counted, and the ids of those that were read.
fn read(door: &dyn Webhook, body: &str) -> (u64, BTreeSet<String>) {
    let opened = post(door, body.as_bytes()).unwrap();
    let said = opened.batch.inbounds.iter();
    let said = said.filter_map(|said| said.platform_id.as_ref());
    let told = opened.batch.receipts.iter().map(|told| &told.about);
    let ids = said.chain(told).map(|id| id.as_str().to_owned());
    let read = opened.batch.inbounds.len() + opened.batch.receipts.len();
    let skipped: u64 = opened.skipped.values().sum();
    (read as u64 + skipped, ids.collect())
}

#[test]
fn a_spoilt_item_costs_no_other() {
    let mut config_of = config("wa", NUMBER);
    config_of.payload_bytes = 200;
    let door = webhook([config_of]);
    let whole = items();
    let (count, all) = read(door.as_ref(), &request(&whole));
    assert_eq!(count, whole.len() as u64);

    let mut runner = TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    });
    let steps = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let spoils = prop::collection::vec((steps, prop::option::weighted(0.8, junk())), 1..4);
    let case = (any::<prop::sample::Index>(), spoils);
    let checked = runner.run(&case, |(victim, spoils)| {
        let mut items = items();
        let victim = victim.index(items.len());
        for (steps, junk) in spoils {
            spoil(&mut items[victim].1, &steps, junk);
        }
        let (count, found) = read(door.as_ref(), &request(&items));
        prop_assert_eq!(count, items.len() as u64);
        let id = format!("wamid.{victim}");
        // News is known by what it is about, which several share.
        let lost = all
            .iter()
            .filter(|known| **known != id && !found.contains(*known));
        let lost: Vec<_> = lost.filter(|known| *known != "wamid.0").collect();
        prop_assert!(lost.is_empty(), "{:?}", lost);
        Ok(())
    });
    checked.unwrap();
}
