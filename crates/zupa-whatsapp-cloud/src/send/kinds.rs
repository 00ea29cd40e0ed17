//! What each kind of content is on the wire, and every limit of it.

use serde_json::{Value, json};
use zupa_core::{Choice, Choices, Content, ErrorKind, Outcome};

use super::request::body;
use super::tests::outgoing;

/// So many characters, one of them with a mark, the others of four bytes.
fn long(characters: usize) -> String {
    format!("{}e\u{301}", "\u{1F600}".repeat(characters - 2))
}

#[track_caller]
fn says(content: Content, kind: &str, expected: Value) {
    let sent = body(&outgoing("1555", content), None).unwrap();
    assert_eq!(sent["type"], kind);
    assert_eq!(sent[kind], expected);
    assert!(sent["biz_opaque_callback_data"].is_string());
}

#[track_caller]
fn check(content: Content, is_fine: bool) {
    let sent = body(&outgoing("1555", content), None);
    match sent {
        Ok(_) => assert!(is_fine, "it must be refused"),
        Err(error) => {
            assert!(!is_fine, "{error}");
            let found = (error.kind(), error.outcome(), error.is_terminal());
            assert_eq!(found, (ErrorKind::Invalid, Outcome::NotApplied, true));
            assert!(!error.to_string().contains('\u{1F600}'));
        }
    }
}

fn asked(count: usize) -> Choices {
    let choice = |number| Choice::new(format!("id{number}"), format!("title {number}"));
    Choices::new("which?", (0..count).map(choice).collect())
}

fn template(name: &str, parameters: Vec<String>) -> Content {
    Content::Template {
        name: name.into(),
        language: "pt_BR".into(),
        parameters,
        text: "as it reads".into(),
    }
}

fn file(mime: &str, handle: &str, caption: Option<String>) -> Content {
    Content::Media {
        mime: mime.into(),
        handle: handle.into(),
        caption,
        filename: Some("menu.pdf".into()),
        bytes: None,
        sha256: None,
    }
}

#[test]
fn up_to_three_choices_are_buttons() {
    let mut two = asked(2);
    two.footer = Some("below".into());
    says(
        Content::Choices(two),
        "interactive",
        json!({
            "type": "button",
            "body": { "text": "which?" },
            "footer": { "text": "below" },
            "action": { "buttons": [
                { "type": "reply", "reply": { "id": "id0", "title": "title 0" } },
                { "type": "reply", "reply": { "id": "id1", "title": "title 1" } },
            ] },
        }),
    );
}

#[test]
fn four_choices_are_a_list() {
    let mut four = asked(4);
    four.header = Some("above".into());
    four.choices[1].description = Some("more".into());
    let mut rows: Vec<_> = (0..4)
        .map(|number| json!({ "id": format!("id{number}"), "title": format!("title {number}") }))
        .collect();
    rows[1]["description"] = "more".into();
    let mut expected = json!({
        "type": "list",
        "header": { "type": "text", "text": "above" },
        "body": { "text": "which?" },
        "action": { "button": "Menu", "sections": [{ "rows": rows }] },
    });
    says(
        Content::Choices(four.clone()),
        "interactive",
        expected.clone(),
    );
    four.menu = Some("Open".into());
    expected["action"]["button"] = "Open".into();
    says(Content::Choices(four), "interactive", expected);
}

#[test]
fn no_choices_leave_that_are_over_a_limit() {
    for (count, is_fine) in [(0, false), (1, true), (3, true), (10, true), (11, false)] {
        check(Content::Choices(asked(count)), is_fine);
    }
    let with = |change: fn(&mut Choices)| {
        let mut asked = asked(3);
        change(&mut asked);
        Content::Choices(asked)
    };
    check(with(|asked| asked.text = long(1_024)), true);
    check(with(|asked| asked.text = long(1_025)), false);
    check(with(|asked| asked.text = " ".into()), false);
    check(with(|asked| asked.choices[0].title = long(24)), true);
    check(with(|asked| asked.choices[0].title = long(25)), false);
    check(with(|asked| asked.header = Some(long(61))), false);
    check(with(|asked| asked.choices[0].id = "id1".into()), false);
}

#[test]
fn a_template_has_one_line_for_each_parameter() {
    let soup = vec!["soup\n\nof  the\tday".to_owned(), "5".to_owned()];
    says(
        template("todays_news", soup),
        "template",
        json!({
            "name": "todays_news",
            "language": { "code": "pt_BR" },
            "components": [{ "type": "body", "parameters": [
                { "type": "text", "text": "soup of the day" },
                { "type": "text", "text": "5" },
            ] }],
        }),
    );
    let bare = json!({ "name": "hello", "language": { "code": "pt_BR" } });
    says(template("hello", Vec::new()), "template", bare);
    check(template("a", vec![long(1_024)]), true);
    check(template("a", vec![long(1_000), long(25)]), false);
    check(template("Hello there", Vec::new()), false);
    check(template("", Vec::new()), false);
}

#[test]
fn a_file_goes_out_as_what_it_is() {
    for (mime, kind) in [
        ("image/jpeg", "image"),
        ("image/png; q=1", "image"),
        ("image/webp", "sticker"),
        ("video/mp4", "video"),
        ("audio/ogg; codecs=opus", "audio"),
        ("AUDIO/mpeg", "audio"),
        ("image/tiff", "document"),
        ("application/pdf", "document"),
    ] {
        let mut expected = json!({ "id": "12" });
        if kind == "document" {
            expected["filename"] = "menu.pdf".into();
        }
        says(file(mime, "12", None), kind, expected);
    }
    let caption = Some("look".to_owned());
    says(
        file("image/png", "https://example.org/a.png", caption.clone()),
        "image",
        json!({ "link": "https://example.org/a.png", "caption": "look" }),
    );
    check(file("image/png", "12", Some(long(1_024))), true);
    check(file("image/png", "12", Some(long(1_025))), false);
    check(file("audio/ogg", "12", caption), false);
    check(file("image/png", "", None), false);
}

#[test]
fn reactions_places_and_cards() {
    let react = |emoji: &str| Content::Reaction {
        to: "wamid.1".into(),
        emoji: emoji.into(),
    };
    let family = "👨\u{200d}👩\u{200d}👧";
    for emoji in [family, "👍🏽", "1\u{fe0f}\u{20e3}", ""] {
        let expected = json!({ "message_id": "wamid.1", "emoji": emoji });
        says(react(emoji), "reaction", expected);
    }
    check(react("so nice"), false);
    check(react("ooooooooooooooooo"), false);
    let place = Content::Location {
        latitude: -8.05,
        longitude: -34.9,
        name: Some("here".into()),
    };
    let expected = json!({ "latitude": -8.05, "longitude": -34.9, "name": "here" });
    says(place, "location", expected);
    let card = json!({ "name": { "formatted_name": "Ana" } });
    let cards = |count| Content::Contacts {
        cards: vec![card.clone(); count],
    };
    says(cards(1), "contacts", json!([card]));
    check(cards(257), true);
    check(cards(258), false);
    check(cards(0), false);
}
