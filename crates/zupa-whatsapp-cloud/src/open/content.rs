//! What a message says, by its type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zupa_core::Content;

use super::fields::text;

/// The longest name of a type that is kept.
const MAX_KIND_CHARS: usize = 64;

/// Reads a message; none if it is not as its type says it should be. A type without a
/// place here is [`Content::Unsupported`], and its item is kept as it came.
pub(super) fn read(message: &Value) -> Option<Content> {
    let kind = text(message, "/type")?;
    match kind {
        "text" => match message.pointer("/text/body")?.as_str()? {
            body if body.trim().is_empty() => Some(unsupported(kind)),
            body => Some(Content::text(body)),
        },
        "image" | "video" | "audio" | "document" | "sticker" => media(message.get(kind)?),
        "location" => Some(Content::Location {
            latitude: message.pointer("/location/latitude")?.as_f64()?,
            longitude: message.pointer("/location/longitude")?.as_f64()?,
            name: text(message, "/location/name").map(str::to_owned),
        }),
        "contacts" => Some(Content::Contacts {
            cards: message.get(kind)?.as_array()?.clone(),
        }),
        "interactive" => interactive(message),
        "button" => {
            let title = text(message, "/button/text")?;
            Some(choice(
                text(message, "/button/payload").unwrap_or(title),
                title,
            ))
        }
        // Taken back: no emoji, or an empty one.
        "reaction" => Some(Content::Reaction {
            to: text(message, "/reaction/message_id")?.to_owned(),
            emoji: text(message, "/reaction/emoji")
                .unwrap_or_default()
                .to_owned(),
        }),
        _ => Some(unsupported(kind)),
    }
}

/// Sometimes there is no body at all, and forms and permissions have no place here yet.
fn interactive(message: &Value) -> Option<Content> {
    let kind = text(message, "/interactive/type").unwrap_or("interactive");
    if !matches!(kind, "button_reply" | "list_reply") {
        return Some(unsupported(kind));
    }
    let reply = message.get("interactive")?.get(kind)?;
    Some(choice(text(reply, "/id")?, text(reply, "/title")?))
}

fn choice(id: &str, title: &str) -> Content {
    Content::InteractiveReply {
        choice: id.to_owned(),
        title: title.to_owned(),
    }
}

fn media(media: &Value) -> Option<Content> {
    let owned = |pointer| text(media, pointer).map(str::to_owned);
    Some(Content::Media {
        mime: owned("/mime_type")?,
        handle: owned("/id")?,
        caption: owned("/caption"),
        filename: owned("/filename"),
        bytes: None,
        sha256: text(media, "/sha256")
            .and_then(|digest| STANDARD.decode(digest).ok())
            .map(hex::encode),
    })
}

fn unsupported(kind: &str) -> Content {
    Content::Unsupported {
        raw_kind: kind.chars().take(MAX_KIND_CHARS).collect(),
    }
}
