//! What is sent: one request for each kind of content, and nothing over a limit.

use serde_json::{Value, json};
use zupa_core::channel::text_within;
use zupa_core::{Alias, ChoiceRoom, Choices, Content, Error, ErrorKind, Outgoing, Result, Shape};

use crate::config::{is_language, is_template};

/// The longest text of one message, in characters.
pub(crate) const MAX_TEXT_CHARS: usize = 4_096;
/// The longest words under a file, in characters.
pub(crate) const MAX_CAPTION_CHARS: usize = 1_024;
/// The longest body of a template, in characters.
pub(crate) const MAX_TEMPLATE_CHARS: usize = 1_024;
/// Most cards in one message.
const MAX_CARDS: usize = 257;
/// More characters than any emoji has.
const MAX_EMOJI_CHARS: usize = 16;
/// What opens a list that does not say.
const MENU: &str = "Menu";

/// What Meta has room for.
pub(crate) const CHOICES: ChoiceRoom = ChoiceRoom {
    text: 1_024,
    line: 60,
    buttons: 3,
    button_title: 20,
    button_id: 256,
    rows: 10,
    row_title: 24,
    row_description: 72,
    row_id: 200,
    menu: 20,
};

/// Meta's ids of groups are longer than this; no word that somebody typed is.
const MIN_GROUP_CHARS: usize = 20;

/// The body of one send; nothing has left when there is none. `uploaded` is Meta's id of the
/// file that goes with a voice message.
///
/// *Errors*: [`ErrorKind::Invalid`] for what is empty or over a limit and for an alias that
/// is no address, [`ErrorKind::Unsupported`] for what nobody can say here.
pub(super) fn body(message: &Outgoing, uploaded: Option<&str>) -> Result<Value> {
    let (kind, said) = match (&message.content, uploaded) {
        (Content::Voice { .. }, Some(id)) => ("audio", json!({ "id": id, "voice": true })),
        (content, _) => said(content)?,
    };
    let mut body = json!({
        "messaging_product": "whatsapp",
        "type": kind,
        "biz_opaque_callback_data": message.delivery.to_string(),
    });
    body[kind] = said;
    let (field, recipient_type) = recipient(&message.to.alias)?;
    body["recipient_type"] = recipient_type.into();
    body[field] = message.to.alias.as_str().into();
    Ok(body)
}

/// The type of a message, and the object of that name.
fn said(content: &Content) -> Result<(&'static str, Value)> {
    match content {
        Content::Text { text } => {
            text_within(text, MAX_TEXT_CHARS, "a text")?;
            Ok(("text", json!({ "body": text, "preview_url": false })))
        }
        Content::Choices(asked) => Ok(("interactive", choices(asked)?)),
        Content::Template {
            name,
            language,
            parameters,
            ..
        } => Ok(("template", template(name, language, parameters)?)),
        Content::Media {
            mime,
            handle,
            caption,
            filename,
            ..
        } => media(mime, handle, caption.as_deref(), filename.as_deref()),
        Content::Location {
            latitude,
            longitude,
            name,
        } => {
            if !(-90.0..=90.0).contains(latitude) || !(-180.0..=180.0).contains(longitude) {
                return Err(Error::invalid("a place that is nowhere on Earth"));
            }
            let mut place = json!({ "latitude": latitude, "longitude": longitude });
            if let Some(name) = name {
                place["name"] = name.as_str().into();
            }
            Ok(("location", place))
        }
        Content::Contacts { cards } if (1..=MAX_CARDS).contains(&cards.len()) => {
            Ok(("contacts", Value::Array(cards.clone())))
        }
        Content::Contacts { cards } => Err(Error::invalid("too few or too many cards")
            .with("cards", cards.len())
            .with("limit", MAX_CARDS)),
        Content::Reaction { to, emoji } => {
            let chars = emoji.chars().count();
            let is_one = !emoji.chars().any(char::is_whitespace) && chars <= MAX_EMOJI_CHARS;
            if !is_one || to.is_empty() {
                return Err(Error::invalid("a reaction is one emoji to one message"));
            }
            Ok(("reaction", json!({ "message_id": to, "emoji": emoji })))
        }
        other => Err(Error::new(
            ErrorKind::Unsupported,
            "this channel cannot send such a content",
        )
        .with("content", other.kind())),
    }
}

fn choices(asked: &Choices) -> Result<Value> {
    text_within(&asked.text, CHOICES.text, "a question")?;
    let shape = CHOICES
        .shape(asked)
        .ok_or_else(|| Error::invalid("the choices break a limit of WhatsApp"))?;
    let (kind, action) = match shape {
        Shape::Buttons => {
            let buttons = asked.choices.iter().map(|choice| {
                let reply = json!({ "id": choice.id, "title": choice.title });
                json!({ "type": "reply", "reply": reply })
            });
            let buttons: Vec<_> = buttons.collect();
            ("button", json!({ "buttons": buttons }))
        }
        Shape::List => {
            let rows = asked.choices.iter().map(|choice| {
                let mut row = json!({ "id": choice.id, "title": choice.title });
                if let Some(description) = &choice.description {
                    row["description"] = description.as_str().into();
                }
                row
            });
            let rows: Vec<_> = rows.collect();
            let menu = asked.menu.as_deref().unwrap_or(MENU);
            (
                "list",
                json!({ "button": menu, "sections": [{ "rows": rows }] }),
            )
        }
    };
    let mut interactive = json!({ "type": kind, "body": { "text": asked.text }, "action": action });
    if let Some(header) = &asked.header {
        interactive["header"] = json!({ "type": "text", "text": header });
    }
    if let Some(footer) = &asked.footer {
        interactive["footer"] = json!({ "text": footer });
    }
    Ok(interactive)
}

fn template(name: &str, language: &str, parameters: &[String]) -> Result<Value> {
    if !(is_template(name) && is_language(language)) {
        return Err(Error::invalid("not a template's name and language"));
    }
    let mut template = json!({ "name": name, "language": { "code": language } });
    if !parameters.is_empty() {
        text_within(&parameters.concat(), MAX_TEMPLATE_CHARS, "a template")?;
        let parameters: Vec<_> = parameters
            .iter()
            .map(|text| json!({ "type": "text", "text": in_one_line(text) }))
            .collect();
        template["components"] = json!([{ "type": "body", "parameters": parameters }]);
    }
    Ok(template)
}

/// Meta takes neither line ends nor tabs nor many spaces in a template's parameter.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A file that Meta has already, by its id, or that lies where Meta can fetch it.
fn media(
    mime: &str,
    handle: &str,
    caption: Option<&str>,
    filename: Option<&str>,
) -> Result<(&'static str, Value)> {
    let kind = kind_of_file(mime);
    let mut file = match handle.starts_with("https://") {
        true => json!({ "link": handle }),
        false if handle.is_empty() => return Err(Error::invalid("a file without a handle")),
        false => json!({ "id": handle }),
    };
    if let Some(caption) = caption {
        if matches!(kind, "audio" | "sticker") {
            return Err(Error::invalid("no words go under such a file").with("type", kind));
        }
        text_within(caption, MAX_CAPTION_CHARS, "a caption")?;
        file["caption"] = caption.into();
    }
    if let Some(filename) = filename.filter(|_| kind == "document") {
        file["filename"] = filename.into();
    }
    Ok((kind, file))
}

fn kind_of_file(mime: &str) -> &'static str {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "image/jpeg" | "image/png" => "image",
        "image/webp" => "sticker",
        "video/mp4" | "video/3gpp" => "video",
        audio if audio.starts_with("audio/") => "audio",
        _ => "document",
    }
}
/// The field for an address, and what kind of recipient it is: a phone number or a group goes
/// into `to`, Meta's id of a person into `recipient`.
fn recipient(alias: &Alias) -> Result<(&'static str, &'static str)> {
    let alias = alias.as_str();
    if alias.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(("to", "individual"));
    }
    let is_of_person = alias.split_once('.').is_some_and(|(country, rest)| {
        country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    });
    if is_of_person {
        return Ok(("recipient", "individual"));
    }
    let is_of_group = alias.len() >= MIN_GROUP_CHARS
        && alias
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-=".contains(&byte));
    match is_of_group {
        true => Ok(("to", "group")),
        false => Err(Error::invalid(
            "the alias is no phone number, and no id of a person or a group",
        )),
    }
}
