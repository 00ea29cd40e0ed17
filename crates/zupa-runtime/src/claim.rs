//! Stop 2, `claim`: whose turn it is.
//!
//! *Arrives*: hints that a conversation has work, and the poll's findings.
//! *Leaves*: at most one worker per conversation, and no more workers than
//! turns may be in flight; who is next is for `claim/queue.rs`.
//! *If the process dies here*: the claim row is there or not; the next start
//! runs the turn again over the same range.

mod hiring;
mod in_flight;
mod limits;
mod quarantine;
mod queue;
mod tenants;
mod work;
mod worker;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;
use zupa_core::{Clock, ConversationId, Hint, Nudge, Store, Timestamp, Wakeup};

use crate::settings::Settings;
pub(crate) use hiring::{Hired, Hiring, Permit, Started};
pub(crate) use in_flight::{Held, InFlight};
pub(crate) use limits::Limits;
pub(crate) use quarantine::Quarantine;
pub(crate) use queue::Priority;
pub(crate) use tenants::Tenants;
pub(crate) use work::{Measured, Work};
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
    pub tenants: Arc<Tenants>,
    /// Where it is told, with each poll, what waits and runs.
    pub measured: watch::Sender<[Measured; Priority::ALL.len()]>,
    /// Notified when a model that was down works again.
    pub model_back: Arc<Notify>,
    pub workers: TaskTracker,
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
        // This process knows of no model that is down.
        self.bring_back(&mut work).await;
        let mut poll = tokio::time::interval(self.settings.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let wait = self.until_later(&work);
            // Every arm is cancel safe: a hint, a notice, an ending, a tick or a permit
            // is taken as a whole or stays.
            tokio::select! {
                () = stop.cancelled() => return,
                Some((conversation, next)) = endings.recv() => {
                    work.ended(conversation, next, self.now());
                }
                permit = self.hiring.hire(), if !work.nobody_waits() => {
                    let next = work.start_next(self.clock.monotonic());
                    if let (Some(permit), Some(next)) = (permit, next) {
                        self.spawn(next, permit, ended.clone());
                    }
                }
                Some(started) = self.hired.recv() => {
                    let turn = &started.turn;
                    work.started(turn.conversation, &turn.address.tenant);
                    self.spawn_claimed(started, ended.clone());
                }
                nudge = self.wakeup.woken() => match nudge {
                    Nudge::Due(conversation) => {
                        self.worker.in_flight.call(conversation);
                        let (tenant, now) = (self.tenants.of(conversation), self.clock.monotonic());
                        work.offer(conversation, tenant, Priority::Person, now);
                    }
                    Nudge::Held(conversation) => self.worker.in_flight.silence(conversation),
                    Nudge::News(address) => self.worker.doors.hint(&address, Hint::Look),
                },
                () = self.model_back.notified() => self.bring_back(&mut work).await,
                _ = poll.tick() => {
                    self.measured.send_replace(Priority::ALL.map(|one| work.measure(one)));
                    self.poll(&mut work).await;
                }
                () = tokio::time::sleep(wait) => work.offer_those_due(self.now()),
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

    /// Offers what waits for a model that works again, or may. Each is judged anew when it
    /// runs, and held again where a breaker is open still.
    async fn bring_back(&self, work: &mut Work) {
        loop {
            match self.store.hasten(self.clock.wall(), PAGE).await {
                Ok(hastened) => {
                    let is_all = hastened.len() < PAGE;
                    let now = self.clock.monotonic();
                    for conversation in hastened {
                        work.offer(conversation, None, Priority::Retry, now);
                    }
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
        if work.waiting() >= PAGE {
            return;
        }
        let (wall, monotonic) = self.now();
        // What has run out of time becomes due by it.
        let timers = match self.store.expire(wall, PAGE).await {
            Ok(due) => due,
            Err(error) => {
                warn!(%error, "the store could not settle what ran out of time");
                Vec::new()
            }
        };
        let timers: HashSet<_> = timers.into_iter().map(|due| due.conversation).collect();
        let until = wall.plus(self.settings.poll);
        match self.store.due(wall, until, PAGE).await {
            Ok(listed) => {
                for due in listed {
                    let priority = match timers.contains(&due.conversation) {
                        true => Priority::Timer,
                        false => Priority::Person,
                    };
                    work.listed(due, priority, (wall, monotonic));
                }
            }
            Err(error) => warn!(%error, "the store could not list what is due"),
        }
    }

    fn until_later(&self, work: &Work) -> Duration {
        match work.next_due() {
            Some(at) => at.since(self.clock.wall()),
            None => self.settings.poll,
        }
    }

    /// On the wall, and on the clock that does not jump.
    fn now(&self) -> (Timestamp, Duration) {
        (self.clock.wall(), self.clock.monotonic())
    }
}
