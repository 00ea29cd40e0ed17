//! What Meta posts: messages of people and statuses of messages, signed, in batches, again
//! and again until they are answered 200.

mod body;
mod post;
mod sign;

use serde_json::Value;
use tokio::sync::oneshot;

pub(crate) use self::post::{Client, client, handshake, keep_posting};
pub use self::sign::{escaped, signature};
use crate::person::Level;

/// One thing to tell a business.
#[derive(Debug)]
pub(crate) struct Event {
    /// The element of `messages` or `statuses`.
    pub(crate) item: Value,
    pub(crate) kind: Kind,
    /// Whose screen it is about, by phone number.
    pub(crate) person: String,
    /// Which message.
    pub(crate) wamid: String,
    /// What a status says of it.
    pub(crate) level: Option<Level>,
    /// Who waits for the 200.
    pub(crate) acknowledged: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// With the entry of `contacts` that goes with it.
    Message {
        contact: Value,
    },
    Status,
}

impl Event {
    pub(crate) fn new(
        item: Value,
        kind: Kind,
        person: impl Into<String>,
        wamid: impl Into<String>,
    ) -> Self {
        Self {
            item,
            kind,
            person: person.into(),
            wamid: wamid.into(),
            level: None,
            acknowledged: None,
        }
    }

    /// What a decision about it depends on.
    pub(crate) fn name(&self) -> String {
        match self.level {
            Some(level) => format!("{} {}", self.wamid, level.word()),
            None => self.wamid.clone(),
        }
    }
}
