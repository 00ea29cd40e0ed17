//! Requests with much in them, some of it bad.

use serde_json::{Value, json};

use crate::support::{NUMBER, change, config, envelope, ids, open, post, text, webhook};

#[test]
fn one_bad_item_of_sixty_costs_no_other() {
    let entry = |e: usize| {
        let changes: Vec<_> = (0..4)
            .map(|c| {
                let messages: Vec<_> = (0..5)
                    .map(|m| match (e, c, m) {
                        (1, 2, 3) => json!({ "id": 5, "from": ["nobody"] }),
                        _ => text(&format!("wamid.{e}{c}{m}"), "same words"),
                    })
                    .collect();
                change(NUMBER, json!({ "messages": messages }))
            })
            .collect();
        envelope(&changes)["entry"][0].clone()
    };
    let entries = [0, 1, 2].map(entry);
    let body = json!({ "object": "whatsapp_business_account", "entry": entries });
    let door = webhook([config("wa", NUMBER)]);
    let opened = post(door.as_ref(), body.to_string().as_bytes()).unwrap();
    let found = ids(&opened);
    assert_eq!(found.len(), 60);
    let good: std::collections::BTreeSet<_> = found.iter().collect();
    assert_eq!(good.len(), 60);
    assert_eq!(found[20 + 2 * 5 + 3], "undecodable");
    // The same bad bytes are the same message when they come again.
    let again = post(door.as_ref(), body.to_string().as_bytes()).unwrap();
    let id = |opened: &zupa_core::Opened| opened.batch.inbounds[33].platform_id.clone();
    assert_eq!(id(&opened), id(&again));
}

#[test]
fn messages_and_statuses_of_a_request_are_one_batch() {
    let opened = open(json!({
        "messages": [text("wamid.1", "one")],
        "statuses": [{ "id": "wamid.A", "status": "read" }],
    }));
    let batch = &opened.batch;
    assert_eq!((batch.inbounds.len(), batch.receipts.len()), (1, 1));
}

#[test]
fn a_form_that_nobody_knows_is_kept_and_one_for_others_is_not() {
    let door = webhook([config("wa", NUMBER)]);
    let said = text("wamid.1", "one");
    for (body, kept, skipped) in [
        ("no json \u{1f600}".to_owned(), 1, None),
        ("[]".to_owned(), 1, None),
        ("{}".to_owned(), 1, None),
        (json!({ "entry": [] }).to_string(), 0, None),
        (json!({ "entry": [{ "changes": 5 }] }).to_string(), 1, None),
        (envelope(&[Value::Null]).to_string(), 1, None),
        (
            envelope(&[json!({ "field": "messages", "value": {} })]).to_string(),
            1,
            None,
        ),
        (
            envelope(&[change(NUMBER, json!({ "messages": said.clone() }))]).to_string(),
            1,
            None,
        ),
        (
            envelope(&[change(NUMBER, json!({ "messages": null }))]).to_string(),
            0,
            None,
        ),
        (
            envelope(&[json!({ "field": "account_alerts", "value": { "any": 1 } })]).to_string(),
            0,
            Some("other_field"),
        ),
        (
            envelope(&[change("9", json!({ "messages": [said] }))]).to_string(),
            0,
            Some("unknown_number"),
        ),
    ] {
        let opened = post(door.as_ref(), body.as_bytes()).unwrap();
        assert_eq!(opened.batch.inbounds.len(), kept, "{body}");
        let reason = opened.skipped.keys().copied().next();
        assert_eq!(reason, skipped, "{body}");
    }
}

#[test]
fn what_accept_would_refuse_is_counted_and_costs_nothing_else() {
    let mut config = config("wa", NUMBER);
    config.payload_bytes = 300;
    let mut unreadable = text("wamid.3", "");
    unreadable["text"] = json!(["x".repeat(300)]);
    let messages = json!([
        text("wamid.1", &"x".repeat(301)),
        text("wamid.2", &"x".repeat(300)),
        unreadable,
    ]);
    let body = envelope(&[change(NUMBER, json!({ "messages": messages }))]).to_string();
    let opened = post(webhook([config]).as_ref(), body.as_bytes()).unwrap();
    assert_eq!(ids(&opened), ["wamid.2"]);
    assert_eq!(opened.skipped["too_large"], 2);
}

#[test]
fn deep_nesting_and_bytes_that_are_no_text_are_kept_too() {
    let door = webhook([config("wa", NUMBER)]);
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = envelope(&[change(NUMBER, json!({ "messages": ["deep"] }))])
        .to_string()
        .replace("\"deep\"", &deep);
    for (body, kept) in [
        (deep.as_bytes(), 40_000),
        (b"{\"entry\": \xff}", b"{\"entry\": \xff}".len()),
    ] {
        let opened = post(door.as_ref(), body).unwrap();
        let content = &opened.batch.inbounds[0].content;
        assert_eq!(content.undecoded().unwrap().len(), kept);
    }
}

#[test]
fn a_list_that_cannot_be_read_costs_no_other_and_stays_with_its_number() {
    let mut other = config("other", "2");
    other
        .app_secrets
        .clone_from(&config("wa", NUMBER).app_secrets);
    let door = webhook([config("wa", NUMBER), other]);
    let said = json!([text("wamid.1", "one")]);
    let status = json!([{ "id": "wamid.A", "status": "read" }]);
    let body = envelope(&[
        change(
            "2",
            json!({ "messages": said, "statuses": { "id": "wamid.B" } }),
        ),
        change(
            "2",
            json!({ "messages": { "id": "wamid.2" }, "statuses": status }),
        ),
    ]);
    let opened = post(door.as_ref(), body.to_string().as_bytes()).unwrap();
    assert_eq!(ids(&opened), ["wamid.1", "undecodable"]);
    assert_eq!(opened.batch.receipts.len(), 1);
    assert_eq!(opened.skipped["unreadable"], 1);
    let channels = opened
        .batch
        .inbounds
        .iter()
        .map(|one| one.address.channel.as_str());
    assert_eq!(channels.collect::<Vec<_>>(), ["other", "other"]);
}

#[test]
fn an_item_is_as_long_as_what_accept_counts_of_it() {
    let mut config = config("wa", NUMBER);
    config.payload_bytes = 300;
    let card = json!({ "name": { "formatted_name": "x".repeat(400) } });
    let mut contacts = text("wamid.1", "");
    contacts["type"] = "contacts".into();
    contacts["contacts"] = json!([card]);
    let body = envelope(&[change(NUMBER, json!({ "messages": [contacts] }))]).to_string();
    let opened = post(webhook([config]).as_ref(), body.as_bytes()).unwrap();
    assert_eq!(ids(&opened), ["wamid.1"]);
    assert!(opened.skipped.is_empty());
}
