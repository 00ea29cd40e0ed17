//! What a message says, by its kind.

use serde_json::Value;
use zupa_core::{Content, Digest};

use super::told::{Message, Place};

/// The longest name of a kind that is kept.
const MAX_KIND_CHARS: usize = 64;

/// Kinds that a person makes and for which there is a place, now or later.
pub(super) fn is_content(kind: &str) -> bool {
    matches!(
        kind,
        "chat"
            | "ptt"
            | "audio"
            | "image"
            | "album"
            | "video"
            | "document"
            | "sticker"
            | "location"
            | "vcard"
            | "multi_vcard"
            | "buttons_response"
            | "list_response"
            | "template_button_reply"
            | "order"
            | "product"
            | "poll_creation"
            | "interactive"
            | "scheduled_event_creation"
    )
}

/// What a message says; none if it is nothing that a person has said.
pub(super) fn read(message: &Message, event: &Value) -> Option<Content> {
    if !is_content(&message.kind) {
        return None;
    }
    if message.body.contains('\0') {
        let payload = serde_json::to_vec(event).ok()?.into();
        return Some(Content::Undecodable { payload });
    }
    let body = || Some(message.body.clone()).filter(|body| !body.trim().is_empty());
    Some(match (message.kind.as_str(), &message.media) {
        ("chat", _) => body().map_or_else(|| unsupported(message), Content::text),
        ("ptt" | "audio" | "image" | "album" | "video" | "document" | "sticker", Some(media)) => {
            Content::Media {
                mime: media.mime.clone(),
                handle: media.handle.clone(),
                caption: body(),
                filename: media.filename.clone(),
                bytes: media.bytes,
                sha256: media.sha256.clone().filter(|text| is_digest(text)),
            }
        }
        ("location", _) => match &message.location {
            Some(Place {
                latitude: Some(latitude),
                longitude: Some(longitude),
                name,
            }) => Content::Location {
                latitude: *latitude,
                longitude: *longitude,
                name: name.clone(),
            },
            _ => unsupported(message),
        },
        ("vcard" | "multi_vcard", _) => match &message.cards {
            Some(cards) => Content::Contacts {
                cards: cards.iter().cloned().map(Value::from).collect(),
            },
            None => unsupported(message),
        },
        ("buttons_response" | "list_response" | "template_button_reply", _) => {
            match (&message.choice, body()) {
                (Some(choice), title) => Content::InteractiveReply {
                    choice: choice.clone(),
                    title: title.unwrap_or_else(|| choice.clone()),
                },
                (None, Some(title)) => Content::text(title),
                (None, None) => unsupported(message),
            }
        }
        _ => unsupported(message),
    })
}

/// As the runtime compares it.
fn is_digest(text: &str) -> bool {
    Digest::from_hex(text).is_some_and(|digest| digest.to_hex() == text)
}

fn unsupported(message: &Message) -> Content {
    Content::Unsupported {
        raw_kind: message.kind.chars().take(MAX_KIND_CHARS).collect(),
    }
}
