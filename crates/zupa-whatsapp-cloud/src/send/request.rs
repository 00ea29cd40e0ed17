//! What is sent.

use serde_json::{Value, json};
use zupa_core::{Alias, Content, Error, ErrorKind, Outgoing, Result};

/// The longest text of one message, in characters.
pub(super) const MAX_TEXT_CHARS: usize = 4_096;

/// The body of one send; nothing has left when there is none.
///
/// *Errors*: [`ErrorKind::Invalid`] for a text that is empty or too long and for an alias
/// that is no address, [`ErrorKind::Unsupported`] for anything but text.
pub(super) fn body(message: &Outgoing) -> Result<Value> {
    let Content::Text { text } = &message.content else {
        return Err(
            Error::new(ErrorKind::Unsupported, "this channel sends text alone")
                .with("content", message.content.kind()),
        );
    };
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > MAX_TEXT_CHARS {
        return Err(Error::invalid("a text has the wrong length for WhatsApp")
            .with("characters", chars)
            .with("limit", MAX_TEXT_CHARS));
    }
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "type": "text",
        "text": { "body": text, "preview_url": false },
        "biz_opaque_callback_data": message.delivery.to_string(),
    });
    let field = recipient(&message.to.alias)?;
    body[field] = message.to.alias.as_str().into();
    Ok(body)
}

/// A phone number goes into `to`, Meta's id of a person into `recipient`.
fn recipient(alias: &Alias) -> Result<&'static str> {
    let alias = alias.as_str();
    if alias.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok("to");
    }
    let is_of_person = alias.split_once('.').is_some_and(|(country, rest)| {
        country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    });
    match is_of_person {
        true => Ok("recipient"),
        false => Err(Error::invalid(
            "the alias is neither a phone number nor an id of a person",
        )),
    }
}
