//! The other ends of all conversations: each sends message n+1 only after n was
//! acknowledged, and more than every third message is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::again::Repeats;
use super::log::{Log, Record};
use super::model::Model;
use super::report;
use crate::crash::script::{Again, Message, Script};
use crate::crash::wire::Report;
use crate::crash::words::{dice, unix_micros};

/// First deliveries at once: enough to fill a group commit, few enough for any backlog.
const AT_ONCE: usize = 128;

#[derive(Debug)]
pub struct Sender {
    pub(super) log: Log,
    pub(super) script: Script,
    repeats: Repeats,
    pub(super) model: Arc<Model>,
    port: AtomicU16,
    incarnation: AtomicU64,
    first_ack: AtomicU64,
    pub(super) gate: Semaphore,
    released: AtomicU32,
    at_once: Semaphore,
    pub(super) healed: watch::Sender<bool>,
    /// Conversations that still have something to send.
    talking: AtomicU64,
    throws: AtomicU64,
}

impl Sender {
    pub fn new(script: Script, log: Log, model: Arc<Model>) -> Arc<Self> {
        Arc::new(Self {
            log,
            script,
            repeats: Repeats::default(),
            model,
            port: AtomicU16::new(0),
            incarnation: AtomicU64::new(0),
            first_ack: AtomicU64::new(0),
            gate: Semaphore::new(0),
            released: AtomicU32::new(0),
            at_once: Semaphore::new(AT_ONCE),
            healed: watch::channel(false).0,
            talking: AtomicU64::new(0),
            throws: AtomicU64::new(0),
        })
    }

    pub fn begin(self: &Arc<Self>, port: u16) {
        self.port.store(port, Ordering::SeqCst);
        for (conversation, count) in self.script.conversations() {
            self.talk(Arc::clone(self).converse(conversation, count));
        }
    }

    pub fn start(self: &Arc<Self>, incarnation: u64) {
        self.incarnation.store(incarnation, Ordering::SeqCst);
        self.repeat(self.repeats.after_restart(), Again::Restart);
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
        let answer = self.deliver(&message).await?;
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
        self.deliver(&message).await?;
        self.repeats.answered();
        Ok(())
    }

    /// Called for every acknowledgement, with the incarnation that was current
    /// when the request left.
    pub(super) fn acknowledged(self: &Arc<Self>, incarnation: u64) {
        let first = self.first_ack.fetch_max(incarnation, Ordering::SeqCst) < incarnation;
        if first && incarnation == self.incarnation() {
            report(&Report::FirstAck {
                incarnation,
                at: unix_micros(),
            });
        }
        self.repeat(self.repeats.acknowledged(), Again::Late);
    }

    pub(super) fn port(&self) -> u16 {
        self.port.load(Ordering::SeqCst)
    }

    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::SeqCst)
    }

    pub(super) fn healed(&self) -> bool {
        *self.healed.borrow()
    }

    pub(super) async fn pause(&self, millis: std::ops::Range<u64>) {
        let millis = self.dice().random_range(millis);
        sleep(Duration::from_millis(millis)).await;
    }

    /// Chance that nothing but timing depends on.
    fn dice(&self) -> SmallRng {
        dice(
            self.script.seed,
            ("throw", self.throws.fetch_add(1, Ordering::Relaxed)),
        )
    }

    /// The oracle cannot know less than it believes to: an error ends the process.
    fn talk(self: &Arc<Self>, what: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
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
