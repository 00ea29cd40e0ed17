//! Each limit from both sides.

use serde_json::{Value, json};

use super::message;

/// The code of the refusal, 0 for a message that is taken.
fn code(part: Value) -> i64 {
    let kind = part["type"].clone();
    let mut body = json!({ "messaging_product": "whatsapp", "type": kind });
    body[kind.as_str().unwrap()] = part["of"].clone();
    message(&body).map_or_else(|refusal| refusal.code, |()| 0)
}

fn long(count: usize) -> String {
    "\u{1F600}".repeat(count)
}

#[test]
fn a_text_has_so_many_characters_and_not_none() {
    let text = |body: &str| code(json!({ "type": "text", "of": { "body": body } }));
    assert_eq!(text(&long(4_096)), 0);
    assert_eq!(text(&long(4_097)), 100);
    assert_eq!(text(" "), 131_009);
    assert_eq!(code(json!({ "type": "text", "of": {} })), 131_008);
    assert_eq!(code(json!({ "type": "fax", "of": {} })), 131_051);
}

fn buttons(count: usize, title: &str) -> Value {
    let button = |n: usize| {
        json!({ "type": "reply", "reply": {
            "id": format!("b{n}"), "title": format!("{title}{n}"),
        } })
    };
    let buttons: Vec<_> = (0..count).map(button).collect();
    json!({ "type": "interactive", "of": {
        "type": "button", "body": { "text": "?" }, "action": { "buttons": buttons },
    } })
}

#[test]
fn buttons_are_three_and_short_and_differ() {
    assert_eq!(code(buttons(3, "b")), 0);
    assert_eq!(code(buttons(4, "b")), 131_009);
    assert_eq!(code(buttons(0, "b")), 131_009);
    assert_eq!(code(buttons(1, &long(19))), 0);
    assert_eq!(code(buttons(1, &long(20))), 100);
    let mut same = buttons(2, "b");
    same["of"]["action"]["buttons"][1]["reply"]["title"] = "b0".into();
    assert_eq!(code(same), 131_009);
    let mut wordy = buttons(1, "b");
    wordy["of"]["body"]["text"] = long(1_025).into();
    assert_eq!(code(wordy), 100);
}

fn rows(sections: usize, rows: usize) -> Value {
    let section = |s: usize| {
        let row = |r: usize| json!({ "id": format!("{s}-{r}"), "title": "row" });
        json!({ "title": "part", "rows": (0..rows).map(row).collect::<Vec<_>>() })
    };
    let sections: Vec<_> = (0..sections).map(section).collect();
    json!({ "type": "interactive", "of": { "type": "list", "body": { "text": "?" },
        "action": { "button": "choose", "sections": sections } } })
}

#[test]
fn a_list_has_ten_rows_in_all() {
    assert_eq!(code(rows(1, 10)), 0);
    assert_eq!(code(rows(1, 11)), 131_009);
    assert_eq!(code(rows(5, 2)), 0);
    assert_eq!(code(rows(4, 3)), 131_009);
    let mut untitled = rows(2, 1);
    untitled["of"]["action"]["sections"][1]["title"] = Value::Null;
    assert_eq!(code(untitled), 131_008);
    let mut wordy = rows(1, 1);
    wordy["of"]["action"]["sections"][0]["rows"][0]["description"] = long(73).into();
    assert_eq!(code(wordy), 100);
}

#[test]
fn media_come_by_id_or_by_link() {
    let image = |part: Value| code(json!({ "type": "image", "of": part }));
    assert_eq!(image(json!({ "id": "1", "caption": long(1_024) })), 0);
    assert_eq!(image(json!({ "link": "https://example.org/a.png" })), 0);
    assert_eq!(image(json!({ "link": "file:///etc/passwd" })), 131_009);
    assert_eq!(image(json!({ "id": "1", "link": "https://a" })), 131_009);
    assert_eq!(image(json!({})), 131_009);
    assert_eq!(image(json!({ "id": "1", "caption": long(1_025) })), 100);
}

#[test]
fn a_template_has_a_name_and_a_language() {
    let template = |part: Value| code(json!({ "type": "template", "of": part }));
    let language = json!({ "code": "en" });
    assert_eq!(template(json!({ "name": "hi", "language": language })), 0);
    assert_eq!(template(json!({ "name": "hi" })), 131_008);
    let parameters = json!([{ "type": "text", "text": long(1_025) }]);
    let components = json!([{ "type": "body", "parameters": parameters }]);
    let whole = json!({ "name": "hi", "language": language, "components": components });
    assert_eq!(template(whole), 100);
}

#[test]
fn the_key_has_five_hundred_and_twelve_characters() {
    let with = |key: String| {
        message(&json!({
            "messaging_product": "whatsapp", "type": "text", "text": { "body": "hi" },
            "biz_opaque_callback_data": key,
        }))
    };
    assert_eq!(with(long(512)), Ok(()));
    assert_eq!(with(long(513)).unwrap_err().code, 100);
}
