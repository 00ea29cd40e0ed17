//! Crafted events, and what they come to.

use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const ANA: &str = "15550001111@c.us";

fn reader() -> Reader {
    Reader {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("phone").unwrap(),
        backlog: Duration::from_secs(24 * 60 * 60),
        payload_bytes: 64,
        groups: Groups::Answer,
    }
}

/// An ordinary message, with this merged into it.
fn event(change: Value) -> Value {
    let mut event = json!({
        "type": "message", "origin": "live", "names": [ANA],
        "message": {
            "key": { "id": "3EB0", "from_me": false, "chat": ANA },
            "from": ANA, "to": "15550000000@c.us", "at": 1_699_999_990,
            "kind": "chat", "body": "hello", "history": false, "broadcast": false,
        },
    });
    merge(&mut event, change);
    event
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => change
            .into_iter()
            .for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value)),
        (into, change) => *into = change,
    }
}

fn message(change: Value) -> Value {
    event(json!({ "message": change }))
}

#[track_caller]
fn said(event: &Value) -> Inbound {
    match reader().read(event, NOW) {
        Heard::Said(inbound) => *inbound,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn skipped(event: &Value) -> &'static str {
    match reader().read(event, NOW) {
        Heard::Skipped(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_is_an_inbound_with_all_names_of_its_sender() {
    let inbound = said(&event(json!({ "names": [ANA, "99@lid"] })));
    assert_eq!(inbound.content, Content::text("hello"));
    assert_eq!(inbound.address.alias.as_str(), ANA);
    assert_eq!(inbound.also, [Alias::parse("99@lid").unwrap()]);
    assert_eq!(inbound.platform_id.unwrap().as_str(), "3EB0|false|");
    assert_eq!(
        inbound.platform_time,
        Some(Timestamp(1_699_999_990_000_000))
    );
    assert!(inbound.raw.is_some());

    // Known by the phone number even where the chat is known by the other name.
    let hidden = event(json!({ "names": [ANA, "99@lid"], "message": {
        "key": { "chat": "99@lid" }, "from": "99@lid",
    } }));
    let inbound = said(&hidden);
    assert_eq!(inbound.address.alias.as_str(), ANA);
    assert_eq!(inbound.also.len(), 1);
}

#[test]
fn what_is_too_large_is_counted_in_bytes() {
    // Two code points to a character, of three bytes; and what half of one has become.
    for unit in ["e\u{301}", "\u{fffd}"] {
        let fits = message(json!({ "body": unit.repeat(21) }));
        assert_eq!(said(&fits).content.as_prompt_text(), unit.repeat(21));
        let over = message(json!({ "body": unit.repeat(22) }));
        assert_eq!(skipped(&over), "too_large");
    }
}

#[test]
fn a_time_to_come_is_now() {
    for at in [1_700_000_001, 1_700_000_301, 1_700_086_400] {
        let inbound = said(&message(json!({ "at": at })));
        assert_eq!(inbound.platform_time, Some(NOW), "{at}");
    }
}

#[test]
fn the_id_of_a_message_never_has_the_chat_in_it() {
    let under = |chat: &str| {
        let change = json!({ "key": { "chat": chat }, "from": chat });
        let event = event(json!({ "names": [ANA, "99@lid"], "message": change }));
        said(&event).platform_id
    };
    assert_eq!(under(ANA), under("99@lid"));
}

#[test]
fn what_does_not_fit_together_runs_no_turn() {
    let group = json!({ "key": { "chat": "1@g.us" }, "from": "1@g.us" });
    for (why, forged) in [
        ("from_me", message(json!({ "key": { "from_me": true } }))),
        ("history", message(json!({ "history": true }))),
        ("future", message(json!({ "at": 1_700_086_401 }))),
        ("no_time", message(json!({ "at": i64::MAX }))),
        ("no_time", message(json!({ "at": null }))),
        ("backlog", message(json!({ "at": 1_699_900_000 }))),
        ("mismatch", message(json!({ "from": "15550002222@c.us" }))),
        ("mismatch", message(json!({ "author": "15550002222@c.us" }))),
        (
            "mismatch",
            message(json!({ "key": { "participant": ANA } })),
        ),
        // A group in which nobody speaks.
        (
            "mismatch",
            event(json!({ "names": ["1@g.us"], "message": group })),
        ),
        ("broadcast", message(json!({ "broadcast": true }))),
        (
            "broadcast",
            message(json!({ "key": { "chat": "status@broadcast" } })),
        ),
        (
            "broadcast",
            message(json!({ "key": { "chat": "1@newsletter" } })),
        ),
        ("no_chat", message(json!({ "key": { "chat": null } }))),
        (
            "no_id",
            message(json!({ "key": { "id": "x".repeat(300) } })),
        ),
        ("too_large", message(json!({ "body": "x".repeat(65) }))),
        ("unreadable", message(json!({ "kind": 7 }))),
        ("unreadable", json!({ "type": "message" })),
        ("unknown_event", json!({ "type": "hologram" })),
        ("unreadable", json!({ "type": "unreadable" })),
    ] {
        assert_eq!(skipped(&forged), why, "{forged}");
    }
    for kind in [
        "protocol",
        "revoked",
        "ciphertext",
        "e2e_notification",
        "gp2",
        "call_log",
        "x",
    ] {
        assert_eq!(skipped(&message(json!({ "kind": kind }))), "not_content");
    }
}

#[test]
fn a_hidden_id_whose_number_nobody_knows_loses_no_message_and_lends_no_alias() {
    let hidden = json!({ "key": { "chat": "99@lid" }, "from": ANA });
    let inbound = said(&event(json!({ "names": ["99@lid"], "message": hidden })));
    assert_eq!(inbound.address.alias.as_str(), "99@lid");
    assert!(inbound.also.is_empty());
    let known = event(json!({ "names": ["15550002222@c.us", "99@lid"], "message": hidden }));
    assert_eq!(skipped(&known), "mismatch");
}

#[test]
fn what_was_missed_may_be_old_but_not_too_old() {
    let missed =
        |at: i64| event(json!({ "origin": "catch_up", "message": { "history": true, "at": at } }));
    assert_eq!(said(&missed(1_699_950_000)).content, Content::text("hello"));
    assert_eq!(skipped(&missed(1_699_900_000)), "backlog");
}

#[test]
fn a_group_is_a_conversation_in_which_somebody_speaks() {
    let event = event(json!({ "names": ["1@g.us"], "message": {
        "key": { "chat": "1@g.us", "participant": ANA }, "from": "1@g.us", "author": ANA,
    } }));
    let inbound = said(&event);
    assert_eq!(inbound.address.alias.as_str(), "1@g.us");
    assert_eq!(inbound.speaker, Some(Alias::parse(ANA).unwrap()));
    assert_eq!(
        inbound.platform_id.unwrap().as_str(),
        format!("3EB0|false|{ANA}")
    );

    let ignoring = Reader {
        groups: Groups::Ignore,
        ..reader()
    };
    assert!(matches!(
        ignoring.read(&event, NOW),
        Heard::Skipped("group")
    ));
}

#[test]
fn each_kind_that_a_person_makes_has_its_place() {
    let media = json!({ "handle": "h", "mime": "image/png" });
    let cards = json!(["BEGIN:VCARD"]);
    let place = json!({ "latitude": 1.5, "longitude": 2.5 });
    let content = |change| said(&message(change)).content;
    let picture = content(json!({ "kind": "image", "media": media, "body": "look" }));
    assert!(matches!(picture, Content::Media { caption: Some(caption), .. } if caption == "look"));
    assert!(matches!(
        content(json!({ "kind": "ptt", "media": media, "body": "" })),
        Content::Media { caption: None, .. }
    ));
    assert!(matches!(
        content(json!({ "kind": "location", "location": place })),
        Content::Location { .. }
    ));
    assert!(matches!(
        content(json!({ "kind": "vcard", "cards": cards })),
        Content::Contacts { cards } if cards.len() == 1
    ));
    assert!(matches!(
        content(json!({ "kind": "list_response", "choice": "a", "body": "First" })),
        Content::InteractiveReply { choice, .. } if choice == "a"
    ));
    // As long as its kind is one of theirs, nothing that is missing loses the message.
    for kind in ["image", "location", "vcard", "poll_creation", "order"] {
        let content = content(json!({ "kind": kind }));
        assert_eq!(
            content,
            Content::Unsupported {
                raw_kind: kind.to_owned()
            }
        );
    }
    let roomy = Reader {
        payload_bytes: 4_096,
        ..reader()
    };
    let Heard::Said(kept) = roomy.read(&message(json!({ "body": "a\0b" })), NOW) else {
        panic!("what cannot be stored as text is kept as it came");
    };
    assert!(matches!(kept.content, Content::Undecodable { .. }));
}

#[test]
fn a_step_of_a_message_of_ours_carries_its_key_and_only_known_levels() {
    let step = |level: i64| {
        let key = json!({ "id": "3EB1", "from_me": true, "chat": ANA });
        reader().read(
            &json!({ "type": "ack", "key": key, "level": level, "command": "t.0" }),
            NOW,
        )
    };
    for (level, expected) in [
        (-1, ReceiptLevel::Failed),
        (1, ReceiptLevel::Sent),
        (2, ReceiptLevel::Delivered),
        (3, ReceiptLevel::Read),
        (4, ReceiptLevel::Read),
    ] {
        let Heard::News(receipt) = step(level) else {
            panic!("{level}");
        };
        assert_eq!(receipt.about.as_str(), "3EB1|true|");
        let key = Some("t.0".to_owned());
        assert_eq!(
            receipt.news,
            ReceiptNews::Status {
                level: expected,
                key
            }
        );
    }
    assert!(matches!(step(0), Heard::Skipped("pending")));
}

#[test]
fn nobody_edits_or_takes_back_what_is_ours() {
    let key = |from_me: bool| json!({ "id": "3EB0", "from_me": from_me, "chat": ANA });
    for (from_me, expected) in [(false, None), (true, Some("from_me"))] {
        for event in [
            json!({ "type": "edit", "key": key(from_me), "body": "bye" }),
            json!({ "type": "revoke", "key": key(from_me) }),
        ] {
            match (reader().read(&event, NOW), expected) {
                (Heard::News(receipt), None) => assert_eq!(receipt.about.as_str(), "3EB0|false|"),
                (Heard::Skipped(why), Some(expected)) => assert_eq!(why, expected),
                (other, _) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn what_a_human_types_on_the_phone_names_the_conversation() {
    let own = |change| {
        let mut event = message(change);
        event["type"] = "own".into();
        reader().read(&event, NOW)
    };
    let Heard::News(echo) = own(json!({ "key": { "from_me": true } })) else {
        panic!("a human took over");
    };
    assert_eq!(echo.about.as_str(), "3EB0|true|");
    assert_eq!(echo.at, Some(Timestamp(1_699_999_990_000_000)));
    let ReceiptNews::Echo { to } = echo.news else {
        panic!("{:?}", echo.news);
    };
    assert_eq!(to.alias.as_str(), ANA);
    let late = json!({ "key": { "from_me": true }, "at": 1_699_900_000 });
    assert!(matches!(own(late), Heard::Skipped("backlog")));
    let everybody = json!({ "key": { "from_me": true, "chat": "status@broadcast" } });
    assert!(matches!(own(everybody), Heard::Skipped("broadcast")));
    assert!(matches!(own(json!({})), Heard::Skipped("mismatch")));
    let notice = json!({ "key": { "from_me": true }, "kind": "gp2" });
    assert!(matches!(own(notice), Heard::Skipped("not_content")));
}

#[test]
fn a_reaction_is_said_by_its_sender_about_a_message() {
    let event = json!({
        "type": "reaction", "key": { "id": "R1", "from_me": false },
        "to": { "id": "3EB1", "from_me": true, "chat": ANA },
        "emoji": "👍", "sender": ANA, "at": 1_699_999_990, "names": [ANA],
    });
    let inbound = said(&event);
    let to = "3EB1|true|".to_owned();
    assert_eq!(
        inbound.content,
        Content::Reaction {
            to,
            emoji: "👍".to_owned()
        }
    );
    assert_eq!(inbound.address.alias.as_str(), ANA);
}
