//! One message: who wrote it, under which id, and what it says.

use serde_json::Value;
use serde_json::value::RawValue;
use zupa_core::{
    Address, Alias, Content, Inbound, Opened, PlatformId, Receipt, ReceiptNews, Timestamp,
};

use super::contacts::Contacts;
use super::fields::{Item, has_nul, item, text, time};
use super::{NOTICE, TOO_LARGE, content, notice, undecodable};
use crate::door::Door;

/// Adds what the message says. One that cannot be read is kept as it came: under its
/// sender and its id, or by its digest if it does not even tell those.
pub(super) fn read(door: &Door, raw: &RawValue, contacts: &Contacts, opened: &mut Opened) {
    let bytes = raw.get().as_bytes();
    let Item {
        head: message,
        is_whole,
    } = item(raw);
    let Some(head) = Head::of(door, &message, contacts) else {
        return undecodable(door, bytes, opened);
    };
    if is_whole && text(&message, "/type") == Some("system") {
        // Nobody has said it, so nobody is answered.
        return match notice::read(&message) {
            Some(news) => opened
                .batch
                .receipts
                .push(head.receipt(head.id.clone(), news)),
            None => opened.skip(NOTICE),
        };
    }
    let said = match is_whole && !has_nul(&message) {
        true => Said::of(&message),
        false => None,
    };
    let said = said.unwrap_or_else(|| {
        Said::Message(Content::Undecodable {
            payload: bytes.into(),
        })
    });
    if said.bytes() > door.payload_bytes {
        return opened.skip(TOO_LARGE);
    }
    match said {
        Said::Message(content) => {
            // Meta shows no signs in groups.
            if head.speaker.is_none() {
                door.signs.heard(&head.address.alias, &head.id, head.at);
            }
            opened.batch.inbounds.push(Inbound {
                also: head.also,
                speaker: head.speaker,
                platform_id: Some(head.id),
                platform_time: head.at,
                raw: Some(bytes.to_vec()),
                ..Inbound::new(head.address, content)
            })
        }
        Said::News(about, news) => opened.batch.receipts.push(head.receipt(about, news)),
    }
}

/// What every message tells.
struct Head {
    id: PlatformId,
    address: Address,
    also: Vec<Alias>,
    /// In a group.
    speaker: Option<Alias>,
    at: Option<Timestamp>,
}

impl Head {
    /// The phone number leads to the conversation where there is one; the id that Meta
    /// gives a person within a business is another alias, or the only one. What a message
    /// does not tell, the contacts beside it may. A group is a conversation of its own, in
    /// which people speak.
    fn of(door: &Door, message: &Value, contacts: &Contacts) -> Option<Self> {
        let alias = |pointer| Alias::parse(text(message, pointer)?).ok();
        let (phone, id) = (alias("/from"), alias("/from_user_id"));
        let known_phone = || id.as_ref().and_then(|id| contacts.phone_of(id));
        let known_id = || phone.as_ref().and_then(|phone| contacts.id_of(phone));
        let aliases = [
            phone.clone().or_else(known_phone),
            id.clone().or_else(known_id),
        ];
        let mut aliases = aliases.into_iter().flatten();
        let first = aliases.next()?;
        let (alias, also, speaker) = match alias("/group_id") {
            Some(group) => (group, Vec::new(), Some(first)),
            None => (first, aliases.collect(), None),
        };
        Some(Self {
            id: PlatformId::parse(text(message, "/id")?).ok()?,
            address: Address {
                tenant: door.tenant.clone(),
                channel: door.channel.clone(),
                alias,
            },
            also,
            speaker,
            at: time(message),
        })
    }

    fn receipt(&self, about: PlatformId, news: ReceiptNews) -> Receipt {
        Receipt {
            tenant: self.address.tenant.clone(),
            channel: self.address.channel.clone(),
            about,
            news,
            at: self.at,
        }
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

    /// What accept counts of it; of an edit, which may have to wait for its message, all
    /// that is kept.
    fn bytes(&self) -> usize {
        match self {
            Self::Message(Content::Text { text })
            | Self::News(
                _,
                ReceiptNews::Edit {
                    content: Content::Text { text },
                },
            ) => text.len(),
            Self::News(_, ReceiptNews::Edit { content }) => {
                serde_json::to_vec(content).map_or(usize::MAX, |json| json.len())
            }
            Self::Message(Content::Undecodable { payload }) => payload.len(),
            _ => 0,
        }
    }
}
