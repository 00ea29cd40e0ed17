//! What a message must look like to be taken: the fields of each type, and Meta's limits.
//! Lengths count characters.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use super::refusal::{Refusal, limit, missing, wrong};

/// Checks all of a message that can be checked without knowing anything else.
pub(super) fn message(body: &Value) -> Result<(), Refusal> {
    if body.get("messaging_product").and_then(Value::as_str) != Some("whatsapp") {
        return Err(wrong("messaging_product must be whatsapp"));
    }
    if let Some(key) = body.get("biz_opaque_callback_data") {
        let key = key
            .as_str()
            .ok_or_else(|| wrong("biz_opaque_callback_data is no text"))?;
        at_most(key, 512, "biz_opaque_callback_data")?;
    }
    if let Some(context) = body.get("context") {
        text(context, "message_id", 1_024)?;
    }
    // Meta takes a message without a type for a text.
    let kind = body.get("type").and_then(Value::as_str).unwrap_or("text");
    let part = body.get(kind).ok_or_else(|| missing(kind))?;
    match kind {
        "text" => text(part, "body", 4_096).map(drop),
        "interactive" => interactive(part),
        "template" => template(part),
        "reaction" => {
            text(part, "message_id", 1_024)?;
            // An empty one takes the reaction back.
            optional(part, "emoji", 64).map(drop)
        }
        "image" | "audio" | "video" | "document" | "sticker" => media(part),
        "location" => location(part),
        "contacts" => match part.as_array().map(Vec::len) {
            Some(1..=257) => Ok(()),
            _ => Err(limit("contacts must be 1 to 257")),
        },
        _ => Err(Refusal::new(131_051, "the type is not supported")),
    }
}

/// The text of a field that must be there and must not be empty.
fn text<'a>(part: &'a Value, field: &str, longest: usize) -> Result<&'a str, Refusal> {
    match optional(part, field, longest)? {
        None => Err(missing(field)),
        Some(text) if text.trim().is_empty() => Err(wrong(format!("{field} is empty"))),
        Some(text) => Ok(text),
    }
}

fn optional<'a>(part: &'a Value, field: &str, longest: usize) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = part.get(field).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = value
        .as_str()
        .ok_or_else(|| wrong(format!("{field} is no text")))?;
    at_most(text, longest, field)?;
    Ok(Some(text))
}

fn at_most(text: &str, longest: usize, field: &str) -> Result<(), Refusal> {
    match text.chars().count() {
        count if count > longest => Err(limit(format!(
            "{field} must be at most {longest} characters long"
        ))),
        _ => Ok(()),
    }
}

fn list<'a>(part: &'a Value, field: &str, most: usize) -> Result<&'a [Value], Refusal> {
    let items = part
        .get(field)
        .and_then(Value::as_array)
        .ok_or_else(|| missing(field))?;
    match items.len() {
        0 => Err(wrong(format!("{field} is empty"))),
        count if count > most => Err(wrong(format!("{field} has more than {most}"))),
        _ => Ok(items),
    }
}

fn interactive(part: &Value) -> Result<(), Refusal> {
    let body = part.get("body").ok_or_else(|| missing("body"))?;
    text(body, "text", 1_024)?;
    if let Some(footer) = part.get("footer") {
        text(footer, "text", 60)?;
    }
    if let Some(header) = part.get("header")
        && header.get("type").and_then(Value::as_str) == Some("text")
    {
        text(header, "text", 60)?;
    }
    let action = part.get("action").ok_or_else(|| missing("action"))?;
    match part.get("type").and_then(Value::as_str) {
        Some("button") => buttons(action),
        Some("list") => rows(action),
        Some("cta_url") => {
            let parameters = action.get("parameters");
            let parameters = parameters.ok_or_else(|| missing("parameters"))?;
            text(parameters, "display_text", 20)?;
            text(parameters, "url", 2_000).map(drop)
        }
        Some(_) => Err(wrong("this type of interactive message is not known")),
        None => Err(missing("type")),
    }
}

fn buttons(action: &Value) -> Result<(), Refusal> {
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for button in list(action, "buttons", 3)? {
        let reply = button.get("reply").ok_or_else(|| missing("reply"))?;
        if !ids.insert(text(reply, "id", 256)?) || !titles.insert(text(reply, "title", 20)?) {
            return Err(wrong("two buttons have one id or one title"));
        }
    }
    Ok(())
}

fn rows(action: &Value) -> Result<(), Refusal> {
    text(action, "button", 20)?;
    let sections = list(action, "sections", 10)?;
    let mut ids = BTreeSet::new();
    for section in sections {
        match sections.len() {
            1 => optional(section, "title", 24).map(drop)?,
            _ => text(section, "title", 24).map(drop)?,
        }
        for row in list(section, "rows", 10)? {
            text(row, "title", 24)?;
            optional(row, "description", 72)?;
            if !ids.insert(text(row, "id", 200)?) {
                return Err(wrong("two rows have one id"));
            }
        }
    }
    match ids.len() {
        0..=10 => Ok(()),
        _ => Err(wrong("a list has more than 10 rows")),
    }
}

fn template(part: &Value) -> Result<(), Refusal> {
    text(part, "name", 512)?;
    let language = part.get("language").ok_or_else(|| missing("language"))?;
    text(language, "code", 16)?;
    let components = part.get("components").and_then(Value::as_array);
    for component in components.into_iter().flatten() {
        let parameters = component.get("parameters").and_then(Value::as_array);
        for parameter in parameters.into_iter().flatten() {
            if parameter.get("type").and_then(Value::as_str) == Some("text") {
                text(parameter, "text", 1_024)?;
            }
        }
    }
    Ok(())
}

/// Whether the id is known is for the caller to say.
fn media(part: &Value) -> Result<(), Refusal> {
    optional(part, "caption", 1_024)?;
    match (optional(part, "id", 128)?, optional(part, "link", 2_000)?) {
        (Some(_), None) => Ok(()),
        (None, Some(link)) if link.starts_with("http://") || link.starts_with("https://") => Ok(()),
        (None, Some(_)) => Err(wrong("link is no address")),
        _ => Err(wrong("exactly one of id and link must be there")),
    }
}

fn location(part: &Value) -> Result<(), Refusal> {
    let degrees = |field: &str| part.get(field).is_some_and(Value::is_number);
    match degrees("latitude") && degrees("longitude") {
        true => Ok(()),
        false => Err(missing("latitude or longitude")),
    }
}
