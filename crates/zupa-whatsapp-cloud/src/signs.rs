//! Passing signs: that the agent is at work, and that a message was read. Meta shows typing
//! for a message that it has posted, so the newest of each conversation is remembered.
//!
//! Lossy. Nothing waits for a sign, none is sent a second time, and where another process
//! was posted the message, or this one has started since, there is none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use zupa_core::{Alias, PlatformId, Timestamp};

/// Meta shows typing for 25 seconds, or until something is sent.
const SHOWN: Duration = Duration::from_secs(20);
/// The longest that a sign may take; then it has passed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Signs on the wire at once; what is more is not shown.
const ROOM: usize = 16;
/// Conversations that are remembered.
const CONVERSATIONS: usize = 10_000;

/// What signs are about.
pub(crate) struct Signs {
    newest: Mutex<HashMap<Alias, Newest>>,
    room: Arc<Semaphore>,
}

struct Newest {
    message: PlatformId,
    at: Option<Timestamp>,
    shown: Option<Instant>,
}

impl Signs {
    pub(crate) fn new() -> Self {
        Self {
            newest: Mutex::default(),
            room: Arc::new(Semaphore::new(ROOM)),
        }
    }

    /// Somebody has written.
    pub(crate) fn heard(&self, from: &Alias, message: &PlatformId, at: Option<Timestamp>) {
        let mut newest = self.lock();
        match newest.get(from) {
            // Posted again, or late.
            Some(known) if known.message == *message || known.at > at => return,
            Some(_) => {}
            None if newest.len() >= CONVERSATIONS => newest.clear(),
            None => {}
        }
        let known = Newest {
            message: message.clone(),
            at,
            shown: None,
        };
        newest.insert(from.clone(), known);
    }

    /// Something was sent, which ends typing.
    pub(crate) fn sent(&self, to: &Alias) {
        if let Some(known) = self.lock().get_mut(to) {
            known.shown = None;
        }
    }

    /// What is to be shown now, and the room for it.
    pub(crate) fn due(&self, to: &Alias) -> Option<(Value, OwnedSemaphorePermit)> {
        let mut newest = self.lock();
        let known = newest.get_mut(to)?;
        let now = Instant::now();
        if known.shown.is_some_and(|at| now - at < SHOWN) {
            return None;
        }
        let room = self.room.clone().try_acquire_owned().ok()?;
        known.shown = Some(now);
        let sign = json!({
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": known.message.as_str(),
            "typing_indicator": { "type": "text" },
        });
        Some((sign, room))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Alias, Newest>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(due: Option<(Value, OwnedSemaphorePermit)>) -> Option<String> {
        due.map(|(sign, _)| sign["message_id"].as_str().unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn typing_is_shown_for_the_newest_message_and_not_over_and_over() {
        let (signs, ana) = (Signs::new(), Alias::parse("15550001111").unwrap());
        let heard = |id: &str, at| {
            let id = PlatformId::parse(id).unwrap();
            signs.heard(&ana, &id, Some(Timestamp(at)));
        };
        assert_eq!(about(signs.due(&ana)), None, "nothing was said");
        heard("second", 20);
        heard("first", 10);
        assert_eq!(about(signs.due(&ana)).as_deref(), Some("second"));
        heard("second", 20);
        assert_eq!(about(signs.due(&ana)), None, "it is shown still");
        tokio::time::advance(SHOWN).await;
        assert_eq!(about(signs.due(&ana)).as_deref(), Some("second"));
        signs.sent(&ana);
        assert_eq!(about(signs.due(&ana)).as_deref(), Some("second"));
        heard("third", 20);
        assert_eq!(about(signs.due(&ana)).as_deref(), Some("third"));
    }

    #[test]
    fn memory_and_wire_are_bounded() {
        let signs = Signs::new();
        let id = PlatformId::parse("m").unwrap();
        let person = |number: usize| Alias::parse(format!("1{number:08}")).unwrap();
        for number in 0..=CONVERSATIONS {
            signs.heard(&person(number), &id, None);
        }
        assert_eq!(signs.lock().len(), 1);
        for number in 0..=ROOM {
            signs.heard(&person(number), &id, None);
        }
        let shown: Vec<_> = (0..=ROOM)
            .filter_map(|number| signs.due(&person(number)))
            .collect();
        assert_eq!(shown.len(), ROOM);
        drop(shown);
        assert!(signs.due(&person(ROOM)).is_some(), "there is room again");
    }
}
