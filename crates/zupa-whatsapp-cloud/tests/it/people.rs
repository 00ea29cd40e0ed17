//! News about people: what a human wrote by hand, who moved, who wants to hear what, and
//! who speaks in a group.

use serde_json::{Value, json};
use zupa_core::{Opened, Person, Receipt, ReceiptNews, Timestamp, Wish};

use crate::support::{NUMBER, change, config, envelope, message, open, post, text, webhook};

fn open_as(field: &str, value: Value) -> Opened {
    let mut change = change(NUMBER, value);
    change["field"] = field.into();
    let body = envelope(&[change]).to_string();
    post(webhook([config("wa", NUMBER)]).as_ref(), body.as_bytes()).unwrap()
}

fn only(opened: Opened) -> Receipt {
    assert!(opened.skipped.is_empty() && opened.batch.inbounds.is_empty());
    let [receipt] = &opened.batch.receipts[..] else {
        panic!("one receipt");
    };
    receipt.clone()
}

fn aliases(person: &Person) -> Vec<&str> {
    let aliases = std::iter::once(&person.alias).chain(&person.also);
    aliases.map(zupa_core::Alias::as_str).collect()
}

#[test]
fn what_a_human_wrote_by_hand_is_an_echo_to_whom_they_wrote() {
    let echo = json!({
        "id": "wamid.E", "from": "15550000000", "to": "15550001111", "to_user_id": "US.1a2B",
        "timestamp": "1700000000", "type": "text", "text": { "body": "I am here" },
    });
    let receipt = only(open_as(
        "smb_message_echoes",
        json!({ "message_echoes": [echo.clone()] }),
    ));
    assert_eq!(receipt.about.as_str(), "wamid.E");
    assert_eq!(receipt.at, Some(Timestamp(1_700_000_000_000_000)));
    let ReceiptNews::Echo { to } = &receipt.news else {
        panic!("{receipt:?}");
    };
    assert_eq!(aliases(to), ["15550001111", "US.1a2B"]);

    let mut in_a_group = echo;
    in_a_group["group_id"] = "120363".into();
    let receipt = only(open_as(
        "smb_message_echoes",
        json!({ "message_echoes": [in_a_group] }),
    ));
    let ReceiptNews::Echo { to } = &receipt.news else {
        panic!("{receipt:?}");
    };
    assert_eq!(aliases(to), ["120363"], "a person is not the group");

    let nameless = json!({ "id": "wamid.E", "to_user_id": "US.1a2B", "type": "image" });
    let nobody = json!({ "id": "wamid.E", "type": "text" });
    let opened = open_as(
        "smb_message_echoes",
        json!({ "message_echoes": [nobody, nameless, 5] }),
    );
    assert_eq!(opened.skipped["unreadable"], 2);
    let ReceiptNews::Echo { to } = &opened.batch.receipts[0].news else {
        panic!("an echo");
    };
    assert_eq!(aliases(to), ["US.1a2B"]);
}

#[test]
fn who_moved_is_news_and_nobodys_words() {
    let notice = |system: Value| {
        let mut notice = message("system", system);
        notice["from"] = "15550001111".into();
        notice.as_object_mut().unwrap().remove("from_user_id");
        notice
    };
    for (system, expected) in [
        (
            json!({ "body": "…", "type": "user_changed_number", "wa_id": "15550002222",
                "user_id": "US.2", "previous_user_id": "US.1" }),
            &["15550002222", "US.2", "15550001111", "US.1"][..],
        ),
        (
            json!({ "type": "user_changed_number", "wa_id": "15550002222" }),
            &["15550002222", "15550001111"],
        ),
        (
            json!({ "type": "user_changed_user_id", "user_id": "US.2",
                "previous_user_id": "US.1" }),
            &["15550001111", "US.2", "US.1"],
        ),
    ] {
        let receipt = only(open(json!({ "messages": [notice(system)] })));
        let ReceiptNews::Moved { who } = &receipt.news else {
            panic!("{receipt:?}");
        };
        assert_eq!(aliases(who), expected);
        assert!(receipt.at.is_some());
    }
    // Of a person without a number.
    let mut hidden = notice(json!({
        "type": "user_changed_user_id", "user_id": "US.2", "previous_user_id": "US.1" }));
    hidden.as_object_mut().unwrap().remove("from");
    hidden["from_user_id"] = "US.2".into();
    let receipt = only(open(json!({ "messages": [hidden] })));
    let ReceiptNews::Moved { who } = &receipt.news else {
        panic!("{receipt:?}");
    };
    assert_eq!(aliases(who), ["US.2", "US.1"]);

    for system in [
        json!({ "type": "customer_identity_changed", "wa_id": "15550001111" }),
        json!({ "type": "user_changed_number" }),
        json!({ "body": "something new" }),
    ] {
        let opened = open(json!({ "messages": [notice(system)] }));
        assert!(opened.batch.inbounds.is_empty() && opened.batch.receipts.is_empty());
        assert_eq!(opened.skipped["notice"], 1);
    }
}

#[test]
fn contacts_tell_what_a_message_leaves_out_whatever_their_place() {
    let contacts = json!([
        { "wa_id": "15550009999", "user_id": "US.9" },
        5,
        { "profile": { "name": "\u{1f600}" }, "wa_id": "15550001111", "user_id": "US.1a2B" },
        { "wa_id": "15550003333" },
    ]);
    let by = |alias: &str, id: &str| {
        let mut said = text("wamid.1", "hello");
        said.as_object_mut().unwrap().remove("from");
        said.as_object_mut().unwrap().remove("from_user_id");
        said[alias] = id.into();
        said
    };
    let opened = open(json!({ "contacts": contacts, "messages": [
        by("from", "15550001111"), by("from_user_id", "US.1a2B"), by("from", "15550003333"),
        by("from_user_id", "US.8"),
    ] }));
    let found: Vec<Vec<_>> = opened
        .batch
        .inbounds
        .iter()
        .map(|said| {
            let aliases = std::iter::once(&said.address.alias).chain(&said.also);
            aliases.map(zupa_core::Alias::as_str).collect()
        })
        .collect();
    let both = vec!["15550001111", "US.1a2B"];
    let expected = [both.clone(), both, vec!["15550003333"], vec!["US.8"]];
    assert_eq!(found, expected);
}

#[test]
fn what_people_want_to_hear_is_a_wish() {
    let wish = |value: &str, at: Value| {
        json!({ "wa_id": "15550001111", "user_id": "US.1a2B", "detail": "…", "timestamp": at,
            "category": "marketing_messages", "value": value })
    };
    let mut unheard = wish("stop", 1.into());
    unheard["category"] = "weather".into();
    let opened = open_as(
        "user_preferences",
        json!({ "user_preferences": [
            wish("stop", 1_700_000_000.into()), wish("resume", "1700000001".into()),
            wish("perhaps", 1.into()), unheard,
        ] }),
    );
    assert_eq!(opened.skipped["unreadable"], 2);
    let found: Vec<_> = opened
        .batch
        .receipts
        .iter()
        .map(|receipt| match &receipt.news {
            ReceiptNews::Wish { who, wish } => (aliases(who), *wish, receipt.at.unwrap().0),
            other => panic!("{other:?}"),
        })
        .collect();
    let person = || vec!["15550001111", "US.1a2B"];
    let expected = [
        (person(), Wish::Nothing, 1_700_000_000_000_000),
        (person(), Wish::Anything, 1_700_000_001_000_000),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_group_is_the_conversation_and_a_person_speaks_in_it() {
    let mut said = message("text", json!({ "body": "hello all" }));
    said["group_id"] = "120363".into();
    let opened = open(json!({ "messages": [said] }));
    let said = &opened.batch.inbounds[0];
    assert_eq!(said.address.alias.as_str(), "120363");
    assert_eq!(said.speaker.as_ref().unwrap().as_str(), "15550001111");
    assert!(said.also.is_empty(), "a person is not the group");
}

#[test]
fn what_spoils_one_field_spoils_no_other() {
    let spoilt = ["\"\\ud800\"", "1e999", &deep()];
    for spoilt in spoilt {
        let said = message("text", json!({ "body": "spoilt" }));
        let status = json!({
            "id": "wamid.A", "status": "read", "timestamp": "1700000000",
            "biz_opaque_callback_data": "our.key", "errors": ["spoilt"],
        });
        let value = json!({ "messages": [said], "statuses": [status] });
        let body = envelope(&[change(NUMBER, value)]).to_string();
        let body = body.replace("\"spoilt\"", spoilt);
        let opened = post(webhook([config("wa", NUMBER)]).as_ref(), body.as_bytes()).unwrap();
        assert!(opened.skipped.is_empty());
        let said = &opened.batch.inbounds[0];
        assert!(said.content.undecoded().is_some());
        assert_eq!(said.platform_id.as_ref().unwrap().as_str(), "wamid.1");
        assert_eq!(said.address.alias.as_str(), "15550001111");
        assert_eq!(said.also.len(), 1);
        assert!(said.platform_time.is_some());
        let receipt = &opened.batch.receipts[0];
        let ReceiptNews::Status { level, key } = &receipt.news else {
            panic!("{receipt:?}");
        };
        assert_eq!(*level, zupa_core::ReceiptLevel::Read);
        assert_eq!(key.as_deref(), Some("our.key"));
    }
}

fn deep() -> String {
    format!("{}{}", "[".repeat(200), "]".repeat(200))
}
