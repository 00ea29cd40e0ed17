//! Stop 2, `claim`: whose turn it is.
//!
//! *Arrives*: hints that a conversation has work, and the poll's findings.
//! *Leaves*: at most one worker per conversation, and no more workers than
//! turns may be in flight; first come, first served between conversations.
//! *If the process dies here*: the claim row is there or not; the next start
//! runs the turn again over the same range.

mod hiring;
mod in_flight;
mod limits;
mod quarantine;
mod worker;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;
use zupa_core::{Clock, ConversationId, Hint, Nudge, Store, Timestamp, Wakeup};

use crate::settings::Settings;
pub(crate) use hiring::{Hired, Hiring, Permit, Started};
pub(crate) use in_flight::{Held, InFlight};
pub(crate) use limits::Limits;
pub(crate) use quarantine::Quarantine;
pub(crate) use worker::{Next, Ran, Worker};

/// Conversations that one poll lists; what is more is listed by the next.
const PAGE: usize = 4_096;

/// The stop and what it needs.
pub(crate) struct Dispatcher {
    pub store: Arc<dyn Store>,
    pub wakeup: Arc<dyn Wakeup>,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
    pub worker: Arc<Worker>,
    pub quarantine: Quarantine,
    /// Those that run before everything else.
    pub alone: Vec<ConversationId>,
    pub hiring: Hiring,
    pub hired: Hired,
    /// Notified when a model that was down works again.
    pub model_back: Arc<Notify>,
    pub workers: TaskTracker,
}

/// What is known of the work in this process. All of it can be lost: the store
/// knows better, and the poll asks it.
#[derive(Default)]
struct Work {
    /// Conversations with a worker, or waiting for one; true: look again after.
    known: HashMap<ConversationId, bool>,
    /// Those waiting for a worker, in the order of their coming.
    ready: VecDeque<ConversationId>,
    /// Those due later.
    later: BinaryHeap<Reverse<(Timestamp, ConversationId)>>,
}

impl Work {
    fn offer(&mut self, conversation: ConversationId) {
        match self.known.get_mut(&conversation) {
            Some(again) => *again = true,
            None => {
                self.known.insert(conversation, false);
                self.ready.push_back(conversation);
            }
        }
    }

    fn ended(&mut self, conversation: ConversationId, next: Next, now: Timestamp) {
        let again = self.known.remove(&conversation).unwrap_or(false);
        match next {
            // Behind the others: a busy conversation does not hold a worker.
            Next::Due(at) if at <= now => self.offer(conversation),
            Next::Due(at) => self.later.push(Reverse((at, conversation))),
            Next::Idle if again => self.offer(conversation),
            Next::Idle => {}
        }
    }

    fn offer_those_due(&mut self, now: Timestamp) {
        while let Some(Reverse((at, conversation))) = self.later.peek().copied() {
            if at > now {
                return;
            }
            self.later.pop();
            self.offer(conversation);
        }
    }
}

impl Dispatcher {
    /// Gives conversations to workers until `stop`; workers finish on their own.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        if self.worker.faults.holds_claims() {
            return;
        }
        self.run_those_alone(&stop).await;
        self.hiring.open();
        let (ended, mut endings) = mpsc::unbounded_channel();
        let mut work = Work::default();
        let mut poll = tokio::time::interval(self.settings.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let wait = self.until_later(&work);
            // Every arm is cancel safe: a hint, a notice, an ending, a tick or a permit
            // is taken as a whole or stays.
            tokio::select! {
                () = stop.cancelled() => return,
                Some((conversation, next)) = endings.recv() => {
                    work.ended(conversation, next, self.clock.wall());
                }
                permit = self.hiring.hire(), if !work.ready.is_empty() => {
                    if let (Some(permit), Some(next)) = (permit, work.ready.pop_front()) {
                        self.spawn(next, permit, ended.clone());
                    }
                }
                Some(started) = self.hired.recv() => {
                    work.known.entry(started.turn.conversation).or_insert(false);
                    self.spawn_claimed(started, ended.clone());
                }
                nudge = self.wakeup.woken() => match nudge {
                    Nudge::Due(conversation) => {
                        self.worker.in_flight.call(conversation);
                        work.offer(conversation);
                    }
                    Nudge::Held(conversation) => self.worker.in_flight.silence(conversation),
                    Nudge::News(address) => self.worker.doors.hint(&address, Hint::Look),
                },
                () = self.model_back.notified() => self.bring_back(&mut work).await,
                _ = poll.tick() => self.poll(&mut work).await,
                () = tokio::time::sleep(wait) => work.offer_those_due(self.clock.wall()),
            }
        }
    }

    /// Whoever was running at several deaths, and again as the only suspect, runs
    /// before all others start.
    async fn run_those_alone(&mut self, stop: &CancellationToken) {
        for conversation in std::mem::take(&mut self.alone) {
            // A run that is cut short leaves its claim to expire.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = self.quarantine.run_alone(&self.worker, conversation) => {}
            }
        }
    }

    fn spawn(
        &self,
        conversation: ConversationId,
        permit: Permit,
        ended: mpsc::UnboundedSender<(ConversationId, Next)>,
    ) {
        let (worker, quarantine) = (self.worker.clone(), self.quarantine.clone());
        self.workers.spawn(async move {
            let next = quarantine.run(&worker, conversation, permit).await;
            // The dispatcher is gone only when the process is stopping.
            let _ = ended.send((conversation, next));
        });
    }

    fn spawn_claimed(
        &self,
        started: Started,
        ended: mpsc::UnboundedSender<(ConversationId, Next)>,
    ) {
        let worker = self.worker.clone();
        self.workers.spawn(async move {
            let Started {
                turn,
                permit,
                asked,
            } = started;
            let conversation = turn.conversation;
            let next = worker.run_claimed(*turn, asked).await;
            drop(permit);
            let _ = ended.send((conversation, next));
        });
    }

    /// Offers what waits for a model that works again. Each is judged anew when it runs.
    async fn bring_back(&self, work: &mut Work) {
        loop {
            match self.store.hasten(self.clock.wall(), PAGE).await {
                Ok(hastened) => {
                    let is_all = hastened.len() < PAGE;
                    hastened.into_iter().for_each(|due| work.offer(due));
                    if is_all {
                        return;
                    }
                }
                // They come back by themselves, at the times that their rows have.
                Err(error) => return warn!(%error, "the store could not hasten what waits"),
            }
        }
    }

    async fn poll(&self, work: &mut Work) {
        if work.ready.len() >= PAGE {
            return;
        }
        let now = self.clock.wall();
        // What has run out of time becomes due by it.
        if let Err(error) = self.store.expire(now, PAGE).await {
            warn!(%error, "the store could not settle what ran out of time");
        }
        match self
            .store
            .due(now, now.plus(self.settings.poll), PAGE)
            .await
        {
            Ok(due) => {
                for due in due {
                    if work.known.contains_key(&due.conversation) {
                        continue;
                    }
                    if due.at <= now {
                        work.offer(due.conversation);
                    } else {
                        work.later.push(Reverse((due.at, due.conversation)));
                    }
                }
            }
            Err(error) => warn!(%error, "the store could not list what is due"),
        }
    }

    fn until_later(&self, work: &Work) -> Duration {
        match work.later.peek() {
            Some(Reverse((at, _))) => at.since(self.clock.wall()),
            None => self.settings.poll,
        }
    }
}
