//! Stop 5, `deliver`: what was committed leaves, in order.
//!
//! *Arrives*: deliveries that a commit put on the wire, and those that the
//! outbox lists as due.
//! *Leaves*: an attempt on record before each send, and its settlement after.
//! *If the process dies here*: an attempt without a settlement is in doubt at
//! the next start, and is settled by evidence or by the channel's own dedupe.

mod attempt;
mod doubt;
mod line;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use zupa_core::store::{Delivery, Settle, Settlement};
use zupa_core::{
    Acknowledges, Channel, Clock, Content, ConversationId, Deduplicates, DeliveryState, Error,
    ErrorKind, EventBus, Ids, Number, Outcome, Outgoing, Store,
};

use crate::doors::Doors;
use crate::faults::Faults;
use crate::resilience::Permit;
use crate::retry::{Pauses, may_pass};
use crate::settings::Settings;
use crate::telemetry;
use crate::writer::Writer;
use doubt::Doubt;
pub(crate) use line::{LineEnd, Lines};

/// Deliveries that one look lists.
const PAGE: usize = 256;
/// Deliveries that a commit may hand over before it waits.
const QUEUE: usize = 1_024;

/// Where commits leave what is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryQueue {
    now: mpsc::Sender<Ready>,
    hands: Hands,
}

/// A delivery whose attempt is on record.
#[derive(Debug)]
struct Ready {
    delivery: Delivery,
    /// Since before the attempt was handed in, on the monotonic clock.
    since: Duration,
    /// Whether its text goes into the door's template.
    as_template: bool,
}

impl Ready {
    fn now(delivery: Delivery, since: Duration) -> Self {
        Self {
            delivery,
            since,
            as_template: false,
        }
    }
}

/// The door's leave to send: taken before the attempt was recorded, or still to be asked
/// for.
enum Leave {
    Taken(Option<Permit>),
    ToAsk,
}

/// What is in this process's hands, and who waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hands {
    held: Arc<Mutex<Held>>,
    look: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Held(HashMap<ConversationId, OfOne>);

/// What is in hand of one conversation.
#[derive(Debug, Default)]
struct OfOne {
    deliveries: HashSet<Number>,
    /// Whether a row waits behind: look when one of these is settled.
    is_awaited: bool,
}

impl Hands {
    /// Takes a delivery; false when it is in hand already.
    fn take(&self, (conversation, number): (ConversationId, Number)) -> bool {
        let mut held = self.lock();
        let of_one = held.0.entry(conversation).or_default();
        of_one.deliveries.insert(number)
    }

    /// Lets a delivery go, and looks for what waited behind it.
    fn let_go(&self, (conversation, number): (ConversationId, Number)) {
        let mut held = self.lock();
        let Entry::Occupied(mut of_one) = held.0.entry(conversation) else {
            return;
        };
        of_one.get_mut().deliveries.remove(&number);
        if std::mem::take(&mut of_one.get_mut().is_awaited) {
            self.look.notify_one();
        }
        if of_one.get().deliveries.is_empty() {
            of_one.remove();
        }
    }

    fn wait_behind(&self, conversation: ConversationId) {
        if let Some(of_one) = self.lock().0.get_mut(&conversation) {
            of_one.is_awaited = true;
        }
        self.look.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other end.
pub(crate) struct DeliveryIntake {
    now: mpsc::Receiver<Ready>,
}

impl DeliveryQueue {
    pub(crate) fn channel(hands: Hands) -> (Self, DeliveryIntake) {
        let (now, intake) = mpsc::channel(QUEUE);
        (Self { now, hands }, DeliveryIntake { now: intake })
    }

    /// Sends a delivery whose first attempt is on record, and was handed in after
    /// `since`. If it is lost, it is in doubt when its time is over.
    pub(crate) async fn send_now(&self, delivery: Delivery, since: Duration) {
        let _ = self.now.send(Ready::now(delivery, since)).await;
    }

    /// Says that the outbox has a row that is not on its way yet.
    pub(crate) fn look(&self, conversation: ConversationId) {
        self.hands.wait_behind(conversation);
    }
}

/// The stop and what it needs.
pub(crate) struct Deliverer {
    pub store: Arc<dyn Store>,
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub lines: Lines,
    pub settings: Arc<Settings>,
    pub sends: TaskTracker,
    pub hands: Hands,
    pub bus: EventBus,
    pub faults: Faults,
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
                    Some(ready) => self.clone().spawn(ready.delivery, Some(ready.since)),
                    None => return,
                },
                () = stop.cancelled() => return,
                () = self.hands.look.notified() => self.clone().look().await,
                _ = poll.tick() => self.clone().look().await,
            }
        }
    }

    async fn look(self: Arc<Self>) {
        // What waits for a door that takes none now must not hide what others may send, and
        // neither must what stands in line already.
        let now = self.clock.wall();
        let (doors, in_line) = self.lines.wanted(&self.doors, now);
        match self.store.due_deliveries(now, &doors, PAGE + in_line).await {
            Ok(due) => due
                .into_iter()
                .for_each(|delivery| self.clone().spawn(delivery, None)),
            Err(error) => warn!(%error, "the store could not list deliveries"),
        }
    }

    fn spawn(self: Arc<Self>, delivery: Delivery, since: Option<Duration>) {
        let key = (delivery.conversation, delivery.number);
        if !self.hands.take(key) {
            return;
        }
        self.sends.clone().spawn(async move {
            self.advance(delivery, since).await;
            self.hands.let_go(key);
        });
    }

    /// One step of one delivery: settle a doubt, or attempt and settle. `since` is
    /// there if an attempt is on record.
    async fn advance(&self, delivery: Delivery, since: Option<Duration>) {
        let Some(door) = self.doors.get(&delivery.to.channel) else {
            // The door is not configured now; the row waits for it.
            return;
        };
        match (delivery.state, since) {
            (DeliveryState::InDoubt, _) => {
                let now = self.clock.wall();
                let doubt = Doubt {
                    door: door.capabilities(),
                    caught_up_since: door.caught_up_since(),
                    tried_at: delivery.tried_at.unwrap_or(now),
                    now,
                    window: self.settings.doubt,
                    may_try: delivery.attempts < self.settings.delivery_attempts,
                };
                let settlement = match self.faults.resends_without_evidence() {
                    true => Settlement::SendAgain,
                    false => doubt.settle(),
                };
                info!(delivery_id = %delivery.id, ?settlement, "settling a send in doubt");
                if !self.settle(&delivery, settlement).await {
                    // In hand, so that it is not tried as fast as it fails.
                    tokio::time::sleep(self.settings.poll).await;
                }
                self.hands.wait_behind(delivery.conversation);
            }
            (DeliveryState::Sending, Some(since)) => {
                self.send(Ready::now(delivery, since), Leave::ToAsk).await;
            }
            _ => {
                let (clock, random) = (self.clock.as_ref(), self.ids.random());
                if !self.lines.pass(door, delivery.lane, clock, random).await {
                    return;
                }
                // No attempt is spent on a door that takes none.
                let Ok(permit) = door.permit() else {
                    return;
                };
                // More may wait behind a row that had to wait itself.
                self.hands.wait_behind(delivery.conversation);
                self.attempt(delivery, door, Leave::Taken(permit)).await;
            }
        }
    }

    async fn send(&self, ready: Ready, leave: Leave) {
        let Ready {
            delivery,
            since,
            as_template,
        } = ready;
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
            content: match as_template {
                true => Content::text(delivery.content.as_prompt_text()),
                false => delivery.content.clone(),
            },
            as_template,
            attempt: delivery.attempts,
            timeout: self.settings.policies.channel.timeout,
        };
        // Others take the attempt for over when twice this time has gone. Within
        // the first half the call may start, so it ends within the second.
        let held_up = self.clock.monotonic().saturating_sub(since);
        if held_up > self.settings.policies.channel.timeout && !self.faults.sends_however_late() {
            warn!(delivery_id = %delivery.id, ?held_up, "a send was held up; it did not leave");
            self.put_off(&delivery, ErrorKind::Timeout).await;
            return;
        }
        let permit = match leave {
            Leave::Taken(permit) => permit,
            Leave::ToAsk => match door.permit() {
                Ok(permit) => permit,
                Err(refusal) => {
                    self.put_off(&delivery, refusal.kind()).await;
                    return;
                }
            },
        };
        let settlement = match door.send_with(permit, outgoing).await {
            Ok(receipt) => Settlement::Sent {
                platform_id: receipt.platform_id,
            },
            Err(error) => {
                if error.outcome() == Outcome::NotApplied {
                    self.lines.give_back(door.id());
                }
                self.judge(&delivery, door.capabilities().deduplicates, error)
            }
        };
        self.settle(&delivery, settlement).await;
    }

    fn judge(&self, delivery: &Delivery, deduplicates: Deduplicates, error: Error) -> Settlement {
        warn!(delivery_id = %delivery.id, %error, "a send failed");
        let now = self.clock.wall();
        let backoff = self.settings.policies.channel.backoff;
        let delay = backoff.delay(delivery.attempts, error.retry(), self.ids.random());
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

    /// Takes back an attempt that certainly did not leave. The row is due at once: it is
    /// looked for where a door takes messages, here or in another process. If somebody else
    /// went past it meanwhile, the row is theirs and stays so.
    async fn put_off(&self, delivery: &Delivery, kind: ErrorKind) {
        self.lines.give_back(&delivery.to.channel);
        let not_before = self.clock.wall();
        let settlement = Settlement::Retry { not_before, kind };
        self.settle(delivery, settlement).await;
        self.hands.wait_behind(delivery.conversation);
    }

    /// Hands a settlement in; again, after a failure that may pass, because without it the
    /// send is in doubt. Room on a disk may be made. True if it is written.
    async fn settle(&self, delivery: &Delivery, settlement: Settlement) -> bool {
        let settle = Settle {
            conversation: delivery.conversation,
            number: delivery.number,
            attempt: delivery.attempts,
            settlement,
        };
        let settled_at = self.clock.wall();
        let (began, mut pauses) = (self.clock.monotonic(), Pauses::default());
        while let Err(error) = self.writer.settle(settle.clone()).await {
            let tried = self.clock.monotonic().saturating_sub(began);
            let passes = may_pass(&error) || error.kind() == ErrorKind::Full;
            if !passes || tried > self.settings.doubt {
                warn!(delivery_id = %delivery.id, %error, "could not settle; the send is in doubt");
                return false;
            }
            let pause = pauses.next();
            self.bus
                .emit(telemetry::call_retried("store", &error, pause));
            tokio::time::sleep(pause).await;
        }
        let settled = telemetry::settled(delivery, &settle.settlement, settled_at);
        self.bus.emit(settled);
        true
    }
}
