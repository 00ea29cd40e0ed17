//! Stop 5, `deliver`: what was committed leaves, in order.
//!
//! *Arrives*: deliveries that a commit put on the wire, and those that the
//! outbox lists as due.
//! *Leaves*: an attempt on record before each send, and its settlement after.
//! *If the process dies here*: an attempt without a settlement is in doubt at
//! the next start, and is settled by evidence or by the channel's own dedupe.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use zupa_core::store::{Attempt, Attempted, Delivery, Settle, Settlement};
use zupa_core::{
    Acknowledges, Clock, ConversationId, Deduplicates, DeliveryState, Error, ErrorKind, Hint, Ids,
    Number, Outcome, Outgoing, Stage, Store,
};

use crate::retry;
use crate::runtime::Doors;
use crate::settings::Settings;
use crate::writer::Writer;

/// Deliveries that one look lists.
const PAGE: usize = 256;
/// Deliveries that a commit may hand over before it waits.
const QUEUE: usize = 1_024;

/// Where commits leave what is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryQueue {
    now: mpsc::Sender<Delivery>,
    look: Arc<Notify>,
}

/// The other end.
pub(crate) struct DeliveryIntake {
    now: mpsc::Receiver<Delivery>,
    look: Arc<Notify>,
}

impl DeliveryQueue {
    pub(crate) fn channel() -> (Self, DeliveryIntake) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let look = Arc::new(Notify::new());
        (
            Self {
                now: sender,
                look: look.clone(),
            },
            DeliveryIntake {
                now: receiver,
                look,
            },
        )
    }

    /// Sends a delivery whose first attempt is on record. If it is lost, it is
    /// in doubt when its time is over.
    pub(crate) async fn send_now(&self, delivery: Delivery) {
        let _ = self.now.send(delivery).await;
    }

    /// What [`Self::look`] rings.
    pub(crate) fn notice(&self) -> Arc<Notify> {
        self.look.clone()
    }

    /// Says that the outbox has something due.
    pub(crate) fn look(&self) {
        self.look.notify_one();
    }
}

/// The stop and what it needs.
pub(crate) struct Deliverer {
    pub store: Arc<dyn Store>,
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub settings: Arc<Settings>,
    pub sends: TaskTracker,
    pub look: Arc<Notify>,
    /// Deliveries in this process's hands.
    pub at_work: Arc<Mutex<HashSet<(ConversationId, Number)>>>,
}

impl Deliverer {
    /// Sends until every commit has had its say and `stop` is called.
    pub(crate) async fn run(self: Arc<Self>, mut intake: DeliveryIntake, stop: CancellationToken) {
        let mut poll = tokio::time::interval(self.settings.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Every arm is cancel safe: a delivery, a notice or a tick is taken
            // as a whole or stays.
            tokio::select! {
                biased;
                next = intake.now.recv() => match next {
                    Some(delivery) => self.clone().spawn(delivery),
                    None => return,
                },
                () = stop.cancelled() => return,
                () = intake.look.notified() => self.clone().look().await,
                _ = poll.tick() => self.clone().look().await,
            }
        }
    }

    async fn look(self: Arc<Self>) {
        match self.store.due_deliveries(self.clock.wall(), PAGE).await {
            Ok(due) => due
                .into_iter()
                .for_each(|delivery| self.clone().spawn(delivery)),
            Err(error) => warn!(%error, "the store could not list deliveries"),
        }
    }

    fn spawn(self: Arc<Self>, delivery: Delivery) {
        let key = (delivery.conversation, delivery.number);
        if !self.lock().insert(key) {
            return;
        }
        self.sends.clone().spawn(async move {
            self.advance(delivery).await;
            self.lock().remove(&key);
        });
    }

    /// One step of one delivery: settle a doubt, or attempt and settle.
    async fn advance(&self, delivery: Delivery) {
        let Some(door) = self.doors.get(&delivery.to.channel) else {
            // The door is not configured now; the row waits for it.
            return;
        };
        match delivery.state {
            DeliveryState::InDoubt => {
                let settlement = match door.capabilities().deduplicates {
                    Deduplicates::ByKey => Settlement::SendAgain,
                    Deduplicates::Never => Settlement::Unknown,
                };
                info!(delivery.id = %delivery.id, ?settlement, "settling a send in doubt");
                self.settle(&delivery, settlement).await;
                self.look.notify_one();
            }
            DeliveryState::Sending => self.send(delivery).await,
            _ => {
                let attempt = delivery.attempts + 1;
                if self.may_send(&delivery, attempt).await {
                    self.send(Delivery {
                        attempts: attempt,
                        ..delivery
                    })
                    .await;
                }
            }
        }
    }

    async fn may_send(&self, delivery: &Delivery, attempt: u32) -> bool {
        let wish = Attempt {
            conversation: delivery.conversation,
            number: delivery.number,
            attempt,
            answer_by: self.clock.wall().plus(self.settings.channel_timeout * 2),
        };
        match self.writer.attempt(wish).await {
            Ok(Attempted::Granted) => true,
            Ok(Attempted::Lost) => false,
            Err(error) => {
                warn!(delivery.id = %delivery.id, %error, "could not record an attempt");
                false
            }
        }
    }

    async fn send(&self, delivery: Delivery) {
        let Some(door) = self.doors.get(&delivery.to.channel) else {
            return;
        };
        if door.capabilities().acknowledges == Acknowledges::AtCommit {
            self.settle(&delivery, Settlement::Sent { platform_id: None })
                .await;
            return;
        }
        let outgoing = Outgoing {
            delivery: delivery.id,
            to: delivery.to.clone(),
            content: delivery.content.clone(),
            attempt: delivery.attempts,
            timeout: self.settings.channel_timeout,
        };
        let sent = tokio::time::timeout(self.settings.channel_timeout, door.send(outgoing)).await;
        let sent = sent.unwrap_or_else(|_| {
            Err(
                Error::new(ErrorKind::Timeout, "the channel did not answer in time")
                    .with_outcome(Outcome::Unknown),
            )
        });
        let settlement = match sent {
            Ok(receipt) => Settlement::Sent {
                platform_id: receipt.platform_id,
            },
            Err(error) => self.judge(&delivery, door.capabilities().deduplicates, error),
        };
        if matches!(settlement, Settlement::Sent { .. }) {
            self.doors.hint(
                &delivery.to,
                Hint::Stage {
                    turn: Some(delivery.id.turn),
                    stage: Stage::Sent,
                    at: self.clock.wall(),
                    detail: None,
                },
            );
        }
        self.settle(&delivery, settlement).await;
        self.look.notify_one();
    }

    fn judge(&self, delivery: &Delivery, deduplicates: Deduplicates, error: Error) -> Settlement {
        warn!(delivery.id = %delivery.id, %error, "a send failed");
        let now = self.clock.wall();
        let delay = retry::delay(&self.settings, delivery.attempts, &error, self.ids.random());
        match (error.outcome(), deduplicates) {
            (Outcome::Applied, _) => Settlement::Sent { platform_id: None },
            // Sending again is the evidence.
            (Outcome::Unknown, Deduplicates::ByKey) => Settlement::InDoubt {
                until: now.plus(delay),
            },
            (Outcome::Unknown, Deduplicates::Never) => Settlement::InDoubt {
                until: now.plus(self.settings.doubt),
            },
            (Outcome::NotApplied, _)
                if error.is_transient() && delivery.attempts < self.settings.delivery_attempts =>
            {
                Settlement::Retry {
                    not_before: now.plus(delay),
                    kind: error.kind(),
                }
            }
            (Outcome::NotApplied, _) => Settlement::Failed { kind: error.kind() },
        }
    }

    async fn settle(&self, delivery: &Delivery, settlement: Settlement) {
        let settle = Settle {
            conversation: delivery.conversation,
            number: delivery.number,
            attempt: delivery.attempts,
            settlement,
        };
        self.writer.settle(settle).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<(ConversationId, Number)>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
