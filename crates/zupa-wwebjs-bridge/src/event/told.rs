//! Events as the sidecar tells them. Nothing in them is believed.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    Message {
        message: Message,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        origin: Origin,
    },
    Own {
        message: Message,
        #[serde(default)]
        names: Vec<String>,
    },
    Ack {
        key: Key,
        level: i64,
        command: String,
    },
    Edit {
        key: Key,
        body: String,
    },
    Revoke {
        key: Key,
    },
    Reaction {
        key: Key,
        to: Key,
        emoji: String,
        sender: Option<String>,
        at: Option<i64>,
        #[serde(default)]
        names: Vec<String>,
    },
    /// One that the sidecar could not put into a frame.
    Unreadable,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    #[default]
    Live,
    CatchUp,
}

#[derive(Debug, Deserialize)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) from_me: bool,
    pub(super) chat: Option<String>,
    pub(super) participant: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) key: Key,
    pub(super) from: Option<String>,
    pub(super) author: Option<String>,
    pub(super) at: Option<i64>,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) body: String,
    pub(super) media: Option<Media>,
    pub(super) location: Option<Place>,
    pub(super) cards: Option<Vec<String>>,
    pub(super) choice: Option<String>,
    #[serde(default)]
    pub(super) history: bool,
    #[serde(default)]
    pub(super) broadcast: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Media {
    pub(super) handle: String,
    pub(super) mime: String,
    pub(super) filename: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Place {
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
    pub(super) name: Option<String>,
}

impl Key {
    /// What the message is known by: never the chat, which has more than one name.
    pub(super) fn name(&self) -> String {
        let participant = self.participant.as_deref().unwrap_or_default();
        format!("{}|{}|{participant}", self.id, self.from_me)
    }
}
