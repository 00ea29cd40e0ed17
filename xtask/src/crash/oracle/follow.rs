//! A phone that stays on line: it follows its conversation through one replica,
//! and when that one dies goes on at another with the last number it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::log::Record;
use super::sender::Sender;
use crate::crash::http;
use crate::crash::replies;
use crate::crash::sse::Parser;
use crate::crash::words::Conversation;

/// For the first page of a stream.
const ANSWER: Duration = Duration::from_secs(5);
/// Longer than the pause between two keep-alive comments.
const SILENCE: Duration = Duration::from_secs(20);

/// How far each followed conversation was seen, and how far it is to be.
#[derive(Debug, Default)]
pub struct Followed {
    last: Mutex<BTreeMap<Conversation, u64>>,
    wanted: Mutex<Option<Vec<(Conversation, u64)>>>,
}

impl Followed {
    pub fn catch_up(&self, numbers: Vec<(Conversation, u64)>) {
        *locked(&self.wanted) = Some(numbers);
    }

    /// True once, when every followed conversation is where it was to be.
    pub fn caught_up(&self) -> bool {
        let mut wanted = locked(&self.wanted);
        let last = locked(&self.last);
        let there = wanted.as_ref().is_some_and(|wanted| {
            wanted.iter().all(|(conversation, number)| {
                last.get(conversation).is_none_or(|last| last >= number)
            })
        });
        if there {
            *wanted = None;
        }
        there
    }

    fn last(&self, conversation: &Conversation) -> u64 {
        *locked(&self.last).entry(conversation.clone()).or_default()
    }

    fn saw(&self, conversation: &Conversation, number: u64) {
        locked(&self.last).insert(conversation.clone(), number);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sender {
    /// Never ends by itself.
    pub(super) async fn follow(self: Arc<Self>, conversation: Conversation) {
        let mut door = self.choose(None);
        loop {
            // The other end is killed all the time: an error here is expected.
            let _ = self.stream(&conversation, door).await;
            self.pause(20..80).await;
            door = self.choose(Some(door));
        }
    }

    /// Reads one stream to its end.
    async fn stream(&self, conversation: &Conversation, number: usize) -> anyhow::Result<()> {
        let door = self.doors().get(number).context("there is no such door")?;
        let after = self.followed.last(conversation);
        let mut body = http::events(door.at, &conversation.path("events"), after, ANSWER).await?;
        let mut parser = Parser::default();
        while let Some(frame) = timeout(SILENCE, body.frame()).await? {
            let Ok(bytes) = frame?.into_data() else {
                continue;
            };
            for event in parser.push(&bytes) {
                if event.name != "message" {
                    continue;
                }
                let reply = replies::reply(&event)?;
                self.followed.saw(conversation, reply.number);
                self.log.note(Record::Seen {
                    conversation: conversation.clone(),
                    number: reply.number,
                    door: number,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::words::Door;

    #[test]
    fn caught_up_when_every_followed_one_is_there() {
        let conversation = |name: &str| Conversation {
            door: Door::Main,
            name: name.to_owned(),
        };
        let (a, b, other) = (conversation("a"), conversation("b"), conversation("other"));
        let followed = Followed::default();
        assert_eq!((followed.last(&a), followed.last(&b)), (0, 0));
        assert!(!followed.caught_up());
        followed.saw(&a, 7);
        followed.catch_up(vec![(a.clone(), 7), (b.clone(), 3), (other, 9)]);
        assert!(!followed.caught_up());
        followed.saw(&b, 3);
        assert!(followed.caught_up());
        assert!(!followed.caught_up());
    }
}
