//! People as Meta knows them, and what they have on their screens.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;

/// Who somebody is. Any of the two ids leads to them.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The phone number, in digits.
    pub phone: String,
    /// The id within the business (BSUID); none by default.
    pub user_id: Option<String>,
    /// What the profile says.
    pub name: String,
    /// With a username: no webhook names the phone number. Needs a `user_id`.
    pub hides_phone: bool,
}

impl Identity {
    /// Somebody with a phone number alone.
    pub fn by_phone(phone: impl Into<String>) -> Self {
        Self {
            phone: phone.into(),
            name: "Somebody".to_owned(),
            ..Self::default()
        }
    }

    fn shown_phone(&self) -> Option<&str> {
        (!self.hides_phone).then_some(self.phone.as_str())
    }

    /// The sender's part of a message.
    pub(crate) fn sign(&self, message: &mut Value) {
        if let Some(phone) = self.shown_phone() {
            message["from"] = phone.into();
        }
        if let Some(id) = &self.user_id {
            message["from_user_id"] = id.as_str().into();
        }
    }

    /// The recipient's part of a status.
    pub(crate) fn receive(&self, status: &mut Value) {
        if let Some(phone) = self.shown_phone() {
            status["recipient_id"] = phone.into();
        }
        if let Some(id) = &self.user_id {
            status["recipient_user_id"] = id.as_str().into();
        }
    }

    /// The entry of `contacts`.
    pub(crate) fn contact(&self) -> Value {
        let mut contact = json!({ "profile": { "name": self.name } });
        if let Some(phone) = self.shown_phone() {
            contact["wa_id"] = phone.into();
        }
        if let Some(id) = &self.user_id {
            contact["user_id"] = id.as_str().into();
        }
        contact
    }
}

/// A message on somebody's screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Meta's id of it.
    pub wamid: String,
    /// Which number sent it.
    pub phone_number_id: String,
    /// `biz_opaque_callback_data`, which people never see.
    pub key: Option<String>,
    /// Its type: `text`, `interactive`, `image`, …
    pub kind: String,
    /// What there is to read.
    pub text: String,
    /// All of it, as it was sent.
    pub body: Value,
    /// When it came, in Unix microseconds.
    pub at: u64,
    /// What its ticks say.
    pub level: Level,
}

/// What became of a message that somebody was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Meta has it.
    Sent,
    /// It could not be delivered.
    Failed,
    /// The phone has it.
    Delivered,
    /// The person has looked at it.
    Read,
}

impl Level {
    /// As a status spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// What somebody wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Meta's id of it.
    pub wamid: String,
    /// To which number.
    pub phone_number_id: String,
    /// The message, as its webhook carries it.
    pub message: Value,
    /// When, in Unix microseconds.
    pub at: u64,
    /// How often webhooks with it were answered 200.
    pub acknowledged: u32,
    /// Whether it was marked as read.
    pub read: bool,
}

/// Somebody, with their screen.
#[derive(Debug, Default)]
pub(crate) struct Person {
    pub(crate) identity: Identity,
    /// Of a group, whose chat this then is: the phone numbers of who is in it.
    pub(crate) members: Option<Vec<String>>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) said: Vec<Said>,
    /// When they wrote last, by number.
    pub(crate) wrote: BTreeMap<String, Instant>,
    /// By number, until when it is said to be typing.
    pub(crate) typing: BTreeMap<String, Instant>,
}

/// What there is to read in a message that was sent.
pub(crate) fn readable(kind: &str, body: &Value) -> String {
    let at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let text = match kind {
        "text" => at("/text/body"),
        "interactive" => at("/interactive/body/text"),
        "template" => at("/template/name"),
        "reaction" => at("/reaction/emoji"),
        kind => body
            .get(kind)
            .and_then(|part| part.get("caption"))
            .and_then(Value::as_str),
    };
    text.unwrap_or_default().to_owned()
}
