//! Somebody's phone: it writes to one number and shows what that number sent.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::person::{Said, Seen};
use crate::shared::Shared;
use crate::webhook::Event;

/// The phone of one person, open at the chat with one number. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Phone {
    shared: Arc<Shared>,
    line: usize,
    phone: String,
}

/// A message that was written.
#[derive(Debug)]
pub struct Written {
    /// Meta's id of it.
    pub wamid: String,
    acknowledged: oneshot::Receiver<()>,
}

impl Written {
    /// Waits until a webhook with it was answered 200. Whether it ever was: the simulator
    /// may have ended first.
    pub async fn acknowledged(self) -> bool {
        self.acknowledged.await.is_ok()
    }
}

impl Phone {
    pub(crate) fn new(shared: Arc<Shared>, line: usize, phone: String) -> Self {
        shared.world().person(&phone);
        Self {
            shared,
            line,
            phone,
        }
    }

    /// The phone number.
    pub fn number(&self) -> &str {
        &self.phone
    }

    /// Writes a text.
    pub fn writes(&self, text: &str) -> Written {
        let wamid = self.shared.world().new_wamid();
        self.writes_as(wamid, text)
    }

    /// Writes a text under an id of the caller's.
    pub fn writes_as(&self, wamid: impl Into<String>, text: &str) -> Written {
        self.says_as(wamid, json!({ "type": "text", "text": { "body": text } }))
    }

    /// Writes anything: `message` has a `type` and its part. Id, sender and, unless it has
    /// one, time are added.
    pub fn says(&self, message: Value) -> Written {
        let wamid = self.shared.world().new_wamid();
        self.says_as(wamid, message)
    }

    /// The same under an id of the caller's.
    pub fn says_as(&self, wamid: impl Into<String>, message: Value) -> Written {
        let event = {
            let mut world = self.shared.world();
            world.say(self.line, &self.phone, wamid.into(), message)
        };
        self.post(event)
    }

    /// Presses a button or chooses a row of a message on the screen. Nothing when there is
    /// no such message or no such choice.
    pub fn chooses(&self, wamid: &str, id: &str) -> Option<Written> {
        let seen = self.seen();
        let seen = seen.iter().find(|seen| seen.wamid == wamid)?;
        let mut reply = choice(&seen.body, id)?;
        reply["context"] = json!({ "id": wamid, "from": self.business() });
        Some(self.says(reply))
    }

    /// Sends a picture, a voice message, a file. `kind` is `image`, `audio`, `video`,
    /// `document` or `sticker`.
    pub fn sends_media(
        &self,
        kind: &str,
        mime: &str,
        bytes: Vec<u8>,
        caption: Option<&str>,
    ) -> Written {
        let mut part = {
            let mut world = self.shared.world();
            let id = world.new_id().to_string();
            let sha256 = world.media.keep(id.clone(), mime, bytes);
            json!({ "id": id, "mime_type": mime, "sha256": sha256 })
        };
        if let Some(caption) = caption {
            part["caption"] = caption.into();
        }
        self.says(json!({ "type": kind, kind: part }))
    }

    /// A webhook with this message is posted once more. Nothing when it was never written.
    pub fn again(&self, wamid: &str) -> Option<Written> {
        let event = self.shared.world().repeat(self.line, &self.phone, wamid)?;
        Some(self.post(event))
    }

    pub(crate) fn post(&self, mut event: Event) -> Written {
        let (sender, acknowledged) = oneshot::channel();
        event.acknowledged = Some(sender);
        let wamid = event.wamid.clone();
        self.shared.post(self.line, event, Duration::ZERO);
        self.shared.change();
        Written {
            wamid,
            acknowledged,
        }
    }

    /// What the number sent, in the order in which it came.
    pub fn seen(&self) -> Vec<Seen> {
        let number = self.phone_number_id();
        let mut world = self.shared.world();
        let seen = world.person(&self.phone).seen.iter();
        let seen = seen.filter(|seen| seen.phone_number_id == number);
        seen.cloned().collect()
    }

    /// What was written to the number, in order.
    pub fn said(&self) -> Vec<Said> {
        let number = self.phone_number_id();
        let mut world = self.shared.world();
        let said = world.person(&self.phone).said.iter();
        let said = said.filter(|said| said.phone_number_id == number);
        said.cloned().collect()
    }

    /// Waits until at least so many messages are on the screen.
    ///
    /// *Cancel safety*: may be dropped and called again.
    pub async fn sees(&self, count: usize) -> Vec<Seen> {
        let mut changes = self.shared.changes();
        loop {
            let seen = self.seen();
            if seen.len() >= count {
                return seen;
            }
            // The sender is `shared`'s own.
            let _ = changes.changed().await;
        }
    }

    fn phone_number_id(&self) -> String {
        let world = self.shared.world();
        world.lines[self.line].number.phone_number_id.clone()
    }

    fn business(&self) -> String {
        let world = self.shared.world();
        world.lines[self.line].number.display_phone_number.clone()
    }
}

/// What is written by choosing: a reply of the button or the row with this id.
fn choice(body: &Value, id: &str) -> Option<Value> {
    let action = body.pointer("/interactive/action")?;
    let list = |value: &Value, name: &str| {
        let items = value.get(name).and_then(Value::as_array);
        items.cloned().unwrap_or_default()
    };
    let is_it = |item: &Value| item["id"] == id;
    let buttons = list(action, "buttons").into_iter();
    if let Some(button) = buttons.map(|it| it["reply"].clone()).find(is_it) {
        let reply = json!({ "id": id, "title": button["title"] });
        let part = json!({ "type": "button_reply", "button_reply": reply });
        return Some(json!({ "type": "interactive", "interactive": part }));
    }
    let sections = list(action, "sections").into_iter();
    let row = sections.flat_map(|it| list(&it, "rows")).find(is_it)?;
    let part = json!({ "type": "list_reply", "list_reply": row });
    Some(json!({ "type": "interactive", "interactive": part }))
}
