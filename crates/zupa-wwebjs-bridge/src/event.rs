//! What the sidecar tells becomes what accept takes. Everything in it was written by
//! somebody else, so what does not fit together runs no turn.

mod content;
#[cfg(test)]
mod tests;
mod told;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use zupa_core::{
    Address, Alias, ChannelId, Content, Inbound, Person, PlatformId, Receipt, ReceiptLevel,
    ReceiptNews, TenantId, Timestamp,
};

use self::told::{Event, Key, Message, Origin};

/// What is dated further ahead than this is forged. Less is a clock that is wrong, most
/// likely ours, and no reason to lose a message.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Whose events these are, and which of them are taken.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) tenant: TenantId,
    pub(crate) channel: ChannelId,
    pub(crate) backlog: Duration,
    pub(crate) payload_bytes: usize,
    pub(crate) groups: Groups,
}

/// Whether what is said in groups is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Groups {
    /// It is left out: a phone is in groups that never asked for an agent.
    #[default]
    Ignore,
    /// A group is one conversation; who speaks is in the message.
    Answer,
}

/// What an event comes to.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Somebody has written.
    Said(Box<Inbound>),
    /// News of a message.
    News(Receipt),
    /// Nothing, and why.
    Skipped(&'static str),
}

impl Reader {
    /// What this event comes to, at this time.
    pub(crate) fn read(&self, event: &Value, now: Timestamp) -> Heard {
        let Ok(read) = Event::deserialize(event) else {
            return Heard::Skipped("unreadable");
        };
        let heard = match read {
            Event::Message {
                message,
                names,
                origin,
            } => self.said(event, message, &names, &origin, now),
            Event::Own { message, names } => self.human(&message, &names, now),
            Event::Ack {
                key,
                level,
                command,
            } => self.ack(&key, level, command),
            Event::Edit { key, body } => self.edited(&key, body),
            Event::Revoke { key } => self.news(&key, ReceiptNews::Revoke),
            Event::Reaction {
                key,
                to,
                emoji,
                sender,
                at,
                names,
            } => {
                let message = Message {
                    key: Key {
                        chat: to.chat.clone(),
                        ..key
                    },
                    from: None,
                    author: sender,
                    at,
                    kind: "reaction".to_owned(),
                    body: String::new(),
                    media: None,
                    location: None,
                    cards: None,
                    choice: None,
                    history: false,
                    broadcast: false,
                };
                let content = Content::Reaction {
                    to: to.name(),
                    emoji: emoji.clone(),
                };
                // One person's reaction has one id, whatever it changes to.
                let id = format!("{}|{emoji}", message.key.name());
                self.inbound(event, &message, &names, &Origin::Live, now, content, id)
            }
            Event::Unreadable => Err("unreadable"),
            Event::Unknown => Err("unknown_event"),
        };
        heard.unwrap_or_else(Heard::Skipped)
    }

    fn said(
        &self,
        event: &Value,
        message: Message,
        names: &[String],
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Heard, &'static str> {
        let content = content::read(&message, event).ok_or("not_content")?;
        let bytes = match &content {
            Content::Text { text } => text.len(),
            Content::Undecodable { payload } => payload.len(),
            _ => 0,
        };
        if bytes > self.payload_bytes {
            return Err("too_large");
        }
        let id = message.key.name();
        self.inbound(event, &message, names, origin, now, content, id)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one inbound")]
    fn inbound(
        &self,
        event: &Value,
        message: &Message,
        names: &[String],
        origin: &Origin,
        now: Timestamp,
        content: Content,
        id: String,
    ) -> Result<Heard, &'static str> {
        if message.key.from_me {
            return Err("from_me");
        }
        // What is fetched is history by name; what is told as new must not be.
        if message.history && *origin == Origin::Live {
            return Err("history");
        }
        let at = self.time(message, now)?;
        let (address, also, speaker) = self.place(message, names)?;
        let platform_id = PlatformId::parse(id).map_err(|_| "no_id")?;
        Ok(Heard::Said(Box::new(Inbound {
            also,
            speaker,
            platform_id: Some(platform_id),
            platform_time: Some(at),
            raw: serde_json::to_vec(event).ok(),
            ..Inbound::new(address, content)
        })))
    }

    /// The conversation: its address, the other names of the other end, and who speaks.
    fn place(
        &self,
        message: &Message,
        names: &[String],
    ) -> Result<(Address, Vec<Alias>, Option<Alias>), &'static str> {
        let chat = message.key.chat.as_deref().ok_or("no_chat")?;
        let speaker = message.author.as_ref().or(message.key.participant.as_ref());
        if message.broadcast {
            return Err("broadcast");
        }
        // Where only one name is known, the other kind of name may be theirs; it is no alias
        // for that.
        let is_theirs = |name: &String| {
            name == chat || names.contains(name) || (names.len() < 2 && is_other_kind(name, chat))
        };
        match chat.rsplit_once('@').map(|(_, server)| server) {
            Some("c.us" | "lid") => {
                // In a chat of two nobody else speaks.
                let named = [&message.author, &message.from];
                if message.key.participant.is_some() || !named.into_iter().flatten().all(is_theirs)
                {
                    return Err("mismatch");
                }
            }
            Some("g.us") => {
                if self.groups == Groups::Ignore {
                    return Err("group");
                }
                if speaker.is_none() || message.from.as_ref().is_some_and(|from| from != chat) {
                    return Err("mismatch");
                }
            }
            _ => return Err("broadcast"),
        }
        let Person { alias: first, also } = person(chat, names)?;
        let speaker = match chat.ends_with("@g.us") {
            true => speaker.map(|who| alias(who)).transpose()?,
            false => None,
        };
        Ok((self.address(first), also, speaker))
    }

    /// What a human has written on the phone, and so has the conversation.
    fn human(
        &self,
        message: &Message,
        names: &[String],
        now: Timestamp,
    ) -> Result<Heard, &'static str> {
        if !message.key.from_me {
            return Err("mismatch");
        }
        if !content::is_content(&message.kind) {
            return Err("not_content");
        }
        let at = self.time(message, now)?;
        let chat = message.key.chat.as_deref().ok_or("no_chat")?;
        let to = match chat.rsplit_once('@').map(|(_, server)| server) {
            Some("c.us" | "lid") => person(chat, names)?,
            Some("g.us") if self.groups == Groups::Ignore => return Err("group"),
            Some("g.us") => person(chat, &[])?,
            _ => return Err("broadcast"),
        };
        let mut echo = self.receipt(&message.key, ReceiptNews::Echo { to })?;
        echo.at = Some(at);
        Ok(Heard::News(echo))
    }

    /// When it was said, if that can be and is not too long ago; never later than now.
    fn time(&self, message: &Message, now: Timestamp) -> Result<Timestamp, &'static str> {
        let at = message.at.ok_or("no_time")?;
        let at = Timestamp(at.checked_mul(1_000_000).ok_or("no_time")?);
        if at > now.plus(AHEAD) {
            return Err("future");
        }
        if at < now.minus(self.backlog) {
            return Err("backlog");
        }
        Ok(at.min(now))
    }

    fn ack(&self, key: &Key, level: i64, command: String) -> Result<Heard, &'static str> {
        let level = match level {
            ..=-1 => ReceiptLevel::Failed,
            0 => return Err("pending"),
            1 => ReceiptLevel::Sent,
            2 => ReceiptLevel::Delivered,
            // Whoever plays a voice message has seen it.
            3.. => ReceiptLevel::Read,
        };
        let key_of_ours = Some(command);
        let news = ReceiptNews::Status {
            level,
            key: key_of_ours,
        };
        self.receipt(key, news).map(Heard::News)
    }

    fn edited(&self, key: &Key, body: String) -> Result<Heard, &'static str> {
        if body.trim().is_empty() || body.contains('\0') || body.len() > self.payload_bytes {
            return Err("not_content");
        }
        self.news(
            key,
            ReceiptNews::Edit {
                content: Content::text(body),
            },
        )
    }

    /// News of somebody else's message.
    fn news(&self, key: &Key, news: ReceiptNews) -> Result<Heard, &'static str> {
        match key.from_me {
            true => Err("from_me"),
            false => self.receipt(key, news).map(Heard::News),
        }
    }

    fn receipt(&self, key: &Key, news: ReceiptNews) -> Result<Receipt, &'static str> {
        Ok(Receipt {
            tenant: self.tenant.clone(),
            channel: self.channel.clone(),
            about: PlatformId::parse(key.name()).map_err(|_| "no_id")?,
            news,
            at: None,
        })
    }

    fn address(&self, alias: Alias) -> Address {
        Address {
            tenant: self.tenant.clone(),
            channel: self.channel.clone(),
            alias,
        }
    }
}

/// The other end of a chat, by all of its names.
fn person(chat: &str, names: &[String]) -> Result<Person, &'static str> {
    let first = names.first().map_or(chat, String::as_str);
    let others = names.iter().map(String::as_str).chain([chat]);
    let mut also = Vec::new();
    for other in others.filter(|other| *other != first) {
        let other = alias(other)?;
        if !also.contains(&other) {
            also.push(other);
        }
    }
    Ok(Person {
        alias: alias(first)?,
        also,
    })
}

fn alias(name: &str) -> Result<Alias, &'static str> {
    Alias::parse(name).map_err(|_| "no_chat")
}

/// Whether one is a phone number and the other a hidden id.
fn is_other_kind(one: &str, other: &str) -> bool {
    let kinds = |one: &str, other: &str| one.ends_with("@c.us") && other.ends_with("@lid");
    kinds(one, other) || kinds(other, one)
}
