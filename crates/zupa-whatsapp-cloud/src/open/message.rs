//! One message: who wrote it, under which id, and what it says.

use serde_json::Value;
use serde_json::value::RawValue;
use zupa_core::{
    Address, Alias, Content, Inbound, Opened, PlatformId, Receipt, ReceiptNews, Timestamp,
};

use super::fields::{has_nul, text, time};
use super::{GROUP, TOO_LARGE, content, undecodable};
use crate::door::Door;

/// Adds what the message says. One that cannot be read is kept as it came: under its
/// sender and its id, or by its digest if it does not even tell those.
pub(super) fn read(door: &Door, raw: &RawValue, opened: &mut Opened) {
    let bytes = raw.get().as_bytes();
    let Ok(message) = serde_json::from_str::<Value>(raw.get()) else {
        return undecodable(door, bytes, opened);
    };
    if text(&message, "/group_id").is_some() {
        return opened.skip(GROUP);
    }
    let Some(head) = Head::of(door, &message) else {
        return undecodable(door, bytes, opened);
    };
    let said = match has_nul(&message) {
        true => None,
        false => Said::of(&message),
    };
    let said = said.unwrap_or_else(|| {
        Said::Message(Content::Undecodable {
            payload: bytes.into(),
        })
    });
    if said.bytes(bytes.len()) > door.payload_bytes {
        return opened.skip(TOO_LARGE);
    }
    match said {
        Said::Message(content) => opened.batch.inbounds.push(Inbound {
            also: head.also,
            platform_id: Some(head.id),
            platform_time: head.at,
            raw: Some(bytes.to_vec()),
            ..Inbound::new(head.address, content)
        }),
        Said::News(about, news) => opened.batch.receipts.push(Receipt {
            tenant: door.tenant.clone(),
            channel: door.channel.clone(),
            about,
            news,
            at: head.at,
        }),
    }
}

/// What every message tells.
struct Head {
    id: PlatformId,
    address: Address,
    also: Vec<Alias>,
    at: Option<Timestamp>,
}

impl Head {
    /// The phone number leads to the conversation where there is one; the id that Meta
    /// gives a person within a business is another alias, or the only one.
    fn of(door: &Door, message: &Value) -> Option<Self> {
        let alias = |pointer| Alias::parse(text(message, pointer)?).ok();
        let mut aliases = [alias("/from"), alias("/from_user_id")]
            .into_iter()
            .flatten();
        Some(Self {
            id: PlatformId::parse(text(message, "/id")?).ok()?,
            address: Address {
                tenant: door.tenant.clone(),
                channel: door.channel.clone(),
                alias: aliases.next()?,
            },
            also: aliases.collect(),
            at: time(message),
        })
    }
}

/// What a message turns out to be.
enum Said {
    Message(Content),
    News(PlatformId, ReceiptNews),
}

impl Said {
    fn of(message: &Value) -> Option<Self> {
        let about = |pointer| PlatformId::parse(text(message, pointer)?).ok();
        Some(match text(message, "/type")? {
            "edit" => {
                let content = content::read(message.pointer("/edit/message")?)?;
                let about = about("/edit/original_message_id")?;
                Self::News(about, ReceiptNews::Edit { content })
            }
            "revoke" => Self::News(about("/revoke/original_message_id")?, ReceiptNews::Revoke),
            _ => Self::Message(content::read(message)?),
        })
    }

    /// As accept counts a text; anything else by the item it came in.
    fn bytes(&self, item: usize) -> usize {
        match self {
            Self::Message(Content::Text { text }) => text.len(),
            _ => item,
        }
    }
}
