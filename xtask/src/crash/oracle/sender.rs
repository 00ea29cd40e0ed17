//! The other ends of all conversations: each sends message n+1 only after n was
//! acknowledged, and more than every third message is sent again. Each delivery
//! goes to any of the replicas, and a repetition mostly to another one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::again::Repeats;
use super::door::Door;
use super::follow::Followed;
use super::log::{Log, Record};
use super::model::Model;
use super::phones::Phones;
use super::report;
use crate::crash::script::{Again, Message, Script};
use crate::crash::words::dice;

/// First deliveries at once: enough to fill a group commit, few enough for any backlog.
const AT_ONCE: usize = 128;

/// Where a message goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Any,
    /// Mostly another replica than the one that took it.
    Another,
}

#[derive(Debug)]
pub struct Sender {
    pub(super) log: Log,
    pub(super) script: Script,
    pub(super) repeats: Repeats,
    pub(super) model: Arc<Model>,
    /// Where people write to numbers instead of web chats.
    pub(super) phones: Option<Phones>,
    doors: OnceLock<Vec<Door>>,
    pub(super) followed: Followed,
    pub(super) gate: Semaphore,
    released: AtomicU32,
    at_once: Semaphore,
    pub(super) healed: watch::Sender<bool>,
    /// Conversations that still have something to send.
    talking: AtomicU64,
    throws: AtomicU64,
}

impl Sender {
    pub fn new(script: Script, log: Log, model: Arc<Model>, phones: Option<Phones>) -> Arc<Self> {
        Arc::new(Self {
            log,
            script,
            repeats: Repeats::default(),
            model,
            phones,
            doors: OnceLock::new(),
            followed: Followed::default(),
            gate: Semaphore::new(0),
            released: AtomicU32::new(0),
            at_once: Semaphore::new(AT_ONCE),
            healed: watch::channel(false).0,
            talking: AtomicU64::new(0),
            throws: AtomicU64::new(0),
        })
    }

    pub fn begin(self: &Arc<Self>, doors: Vec<SocketAddr>) {
        let doors = self
            .doors
            .get_or_init(|| doors.into_iter().map(Door::new).collect());
        if let (Some(phones), Some(door)) = (&self.phones, doors.first()) {
            phones.post_to(door.at);
        }
        let conversations = self.script.conversations();
        if self.script.replicated && !doors.is_empty() {
            for (conversation, _) in conversations.iter().step_by(2) {
                // Not `talk`: a stream is open to the end, and holds nothing up.
                tokio::spawn(Arc::clone(self).follow(conversation.clone()));
            }
        }
        for (conversation, count) in conversations {
            self.talk(Arc::clone(self).converse(conversation, count));
        }
    }

    pub fn start(self: &Arc<Self>, door: usize, incarnation: u64) {
        if let Some(door) = self.doors().get(door) {
            door.start(incarnation);
        }
        self.repeat(self.repeats.after_restart(), Again::Restart);
    }

    pub fn watch(&self, number: u32) {
        self.doors().iter().for_each(|door| door.watch(number));
    }

    pub fn release(&self, messages: u32) {
        let before = self.released.fetch_max(messages, Ordering::SeqCst);
        self.gate
            .add_permits(messages.saturating_sub(before) as usize);
    }

    pub fn poison(self: &Arc<Self>, index: u32) {
        self.talk(Arc::clone(self).converse_poisoned(index));
    }

    pub fn heal(self: &Arc<Self>) {
        self.healed.send_replace(true);
        self.release(self.script.messages);
        self.repeat(self.repeats.all(), Again::Late);
    }

    /// True once nothing is left to send, first time or again.
    pub fn finished(&self) -> bool {
        self.healed() && self.talking.load(Ordering::SeqCst) == 0 && self.repeats.none_open()
    }

    pub(super) async fn first(
        self: &Arc<Self>,
        message: Message,
    ) -> anyhow::Result<Option<String>> {
        let _slot = self.at_once.acquire().await?;
        self.log
            .write(Record::Intent {
                message: message.clone(),
            })
            .await?;
        let how = self.script.again(&message.key);
        if how != Again::Never {
            self.repeats.plan();
        }
        if how == Again::Twin {
            self.log
                .write(Record::Again {
                    key: message.key.clone(),
                    how,
                })
                .await?;
            self.talk(Arc::clone(self).repeated(message.clone()));
        }
        let answer = self.deliver(&message, Choice::Any).await?;
        match how {
            Again::Never | Again::Twin => {}
            Again::Soon => self.send_again(message, how, 0..40),
            _ if self.healed() => self.send_again(message, how, 0..300),
            Again::Restart => self.repeats.keep_for_restart(message),
            Again::Late => {
                let others = self.dice().random_range(200..1000);
                self.repeats.keep_for_long(message, others);
            }
        }
        // The heal may have passed by between the look and the keeping.
        if self.healed() {
            self.repeat(self.repeats.all(), Again::Late);
        }
        Ok(answer)
    }

    fn repeat(self: &Arc<Self>, messages: Vec<Message>, how: Again) {
        for message in messages {
            self.send_again(message, how, 0..20);
        }
    }

    fn send_again(self: &Arc<Self>, message: Message, how: Again, wait: std::ops::Range<u64>) {
        let sender = Arc::clone(self);
        self.talk(async move {
            sender.pause(wait).await;
            sender
                .log
                .write(Record::Again {
                    key: message.key.clone(),
                    how,
                })
                .await?;
            sender.repeated(message).await
        });
    }

    async fn repeated(self: Arc<Self>, message: Message) -> anyhow::Result<()> {
        self.deliver(&message, Choice::Another).await?;
        self.repeats.answered();
        Ok(())
    }

    /// Called for every acknowledgement, with the incarnation that was current
    /// when the request left.
    pub(super) fn acknowledged(self: &Arc<Self>, number: usize, incarnation: u64) {
        if let Some(door) = self.doors().get(number) {
            door.acknowledged(number, incarnation)
                .iter()
                .for_each(report);
        }
        self.repeat(self.repeats.acknowledged(), Again::Late);
    }

    pub(super) fn doors(&self) -> &[Door] {
        self.doors.get().map_or(&[], Vec::as_slice)
    }

    /// The number of a replica: any, or mostly another one than last time.
    pub(super) fn choose(&self, last: Option<usize>) -> usize {
        let count = self.doors().len().max(1);
        let mut dice = self.dice();
        match last {
            Some(last) if count > 1 && dice.random_ratio(9, 10) => {
                (last + dice.random_range(1..count)) % count
            }
            _ => dice.random_range(0..count),
        }
    }

    pub(super) fn healed(&self) -> bool {
        *self.healed.borrow()
    }

    pub(super) async fn pause(&self, millis: std::ops::Range<u64>) {
        sleep(self.millis(millis)).await;
    }

    pub(super) fn millis(&self, millis: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.dice().random_range(millis))
    }

    /// Chance that nothing but timing depends on.
    fn dice(&self) -> SmallRng {
        dice(
            self.script.seed,
            ("throw", self.throws.fetch_add(1, Ordering::Relaxed)),
        )
    }

    /// The oracle cannot know less than it believes to: an error ends the process.
    pub(super) fn talk(
        self: &Arc<Self>,
        what: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.talking.fetch_add(1, Ordering::SeqCst);
        let sender = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = what.await {
                eprintln!("oracle: {error:#}");
                std::process::exit(1);
            }
            sender.talking.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
