//! What has to be done now and then: a sign of life, long claims renewed, the log
//! moved into the main file, old keys, payloads and dead letters forgotten, the messages
//! counted, and a look for those whom nobody answers.
//!
//! A chore that fails is done again at its next time: a store that is away for a
//! while does not end the process.

mod accounts;
mod dead_letters;
mod export;
mod stuck;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use zupa_core::bus::{Draft, names};
use zupa_core::store::Life;
use zupa_core::{Clock, Desk, EARLY_NEWS, ErrorKind, EventBus, IdempotencyKeys, ProcessId, Store};

use self::accounts::Accounts;
use self::dead_letters::Alarm;
use self::stuck::Stuck;
use crate::claim::InFlight;
use crate::settings::Settings;
use crate::writer::{HealthReport, Writer};

/// How often the purge looks for something to forget.
const PURGE: Duration = Duration::from_secs(60);
/// How often it is asked whether it is time to count.
const COUNT: Duration = Duration::from_secs(60);
/// How often it is asked whether somebody is left without an answer.
const LOOK: Duration = Duration::from_secs(60);
/// Rows that one purge takes away, so that it holds writers up only briefly.
const PURGE_ROWS: usize = 500;
/// Bites of one purge: some thousands of messages a second are kept up with.
const PURGE_BITES: usize = 400;

/// The chores and what they need.
pub(crate) struct Housekeeper {
    pub process: ProcessId,
    pub health: HealthReport,
    pub store: Arc<dyn Store>,
    /// Counts the messages and forgets dead letters; without one nobody does.
    pub desk: Option<Arc<dyn Desk>>,
    /// Where old ones are forgotten.
    pub keys: Option<Arc<dyn IdempotencyKeys>>,
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
    pub in_flight: Arc<InFlight>,
    pub backlog: Arc<AtomicU64>,
    pub bus: EventBus,
}

impl Housekeeper {
    /// Does the chores until `stop`. None that is slow holds up the signs of life
    /// of the process and of its claims.
    pub(crate) async fn run(self, stop: CancellationToken) {
        tokio::join!(
            self.live(&stop),
            self.keep_claims(&stop),
            self.tidy_up(&stop),
            self.keep_accounts(&stop),
            self.look_for_the_stuck(&stop)
        );
    }

    async fn live(&self, stop: &CancellationToken) {
        let mut heartbeat = every(self.settings.heartbeat);
        let lives = async {
            loop {
                heartbeat.tick().await;
                self.heartbeat().await;
            }
        };
        // Cancel safe: a sign of life more or less.
        tokio::select! {
            () = stop.cancelled() => {}
            () = lives => {}
        }
    }

    async fn keep_claims(&self, stop: &CancellationToken) {
        let mut renew = every(self.settings.claim_expiry / 3);
        let renews = async {
            loop {
                renew.tick().await;
                self.in_flight.renew(&self.writer).await;
            }
        };
        // Cancel safe: no turn is left that would hear of it.
        tokio::select! {
            () = stop.cancelled() => {}
            () = renews => {}
        }
    }

    async fn keep_accounts(&self, stop: &CancellationToken) {
        let Some(desk) = &self.desk else { return };
        let mut accounts = Accounts::new(desk.clone(), self.bus.clone(), &*self.clock);
        let mut count = every(COUNT);
        let counts = async {
            loop {
                count.tick().await;
                accounts.look(&*self.clock).await;
            }
        };
        // Cancel safe: it only reads.
        tokio::select! {
            () = stop.cancelled() => {}
            () = counts => {}
        }
    }

    async fn look_for_the_stuck(&self, stop: &CancellationToken) {
        let mut stuck = Stuck::new(self.store.clone(), self.bus.clone(), &self.settings);
        let mut look = every(LOOK);
        let looks = async {
            loop {
                look.tick().await;
                stuck.look(self.clock.wall()).await;
            }
        };
        // Cancel safe: it only reads.
        tokio::select! {
            () = stop.cancelled() => {}
            () = looks => {}
        }
    }

    async fn tidy_up(&self, stop: &CancellationToken) {
        let (mut checkpoint, mut purge) = (every(self.settings.checkpoint), every(PURGE));
        let (mut seen, mut alarm) = (0, Alarm::new(self.settings.dead_letter_alert));
        let chores = async {
            loop {
                // Cancel safe: a tick is taken as a whole or stays.
                tokio::select! {
                    _ = checkpoint.tick() => {
                        let batches = self.writer.batches();
                        if batches != seen {
                            seen = batches;
                            self.checkpoint().await;
                        }
                    }
                    _ = purge.tick() => {
                        self.purge().await;
                        self.forget_news().await;
                        self.forget_keys().await;
                        self.forget_dead_letters().await;
                        self.purge_failures(&mut alarm).await;
                    }
                }
            }
        };
        // Cancel safe: what a bite has not forgotten, the next one finds again.
        tokio::select! {
            () = stop.cancelled() => {}
            () = chores => {}
        }
    }

    /// Also finds out whether a store that failed takes writes again.
    async fn heartbeat(&self) {
        let now = self.clock.wall();
        let life = Life {
            process: self.process,
            now,
            expires_at: now.plus(self.settings.claim_expiry),
            stale: self.in_flight.stale(),
        };
        let written = self.store.heartbeat(life).await;
        self.health.note(&written);
        if let Err(error) = written {
            warn!(%error, "the store takes no writes");
            return;
        }
        // What others accepted and ended is not counted here, so the counter
        // drifts; the store knows.
        match self.store.backlog().await {
            Ok(open) => {
                self.backlog.store(open, Ordering::Relaxed);
                self.bus
                    .emit(Draft::of(names::QUEUE_MEASURED).with("depth", open));
            }
            Err(error) => warn!(%error, "the store could not count the backlog"),
        }
    }

    async fn checkpoint(&self) {
        match self.store.checkpoint().await {
            Ok(()) => {}
            // No room now; the log keeps what it has.
            Err(error) if error.kind() == ErrorKind::Full => debug!(%error, "no checkpoint"),
            Err(error) => warn!(%error, "could not move the log into the main file"),
        }
    }

    async fn purge(&self) {
        let now = self.clock.wall();
        let keys = now.minus(self.settings.dedupe_retention);
        let raw = now.minus(self.settings.raw_retention);
        // In small bites, between which writers have their say.
        for _ in 0..PURGE_BITES {
            match self.store.purge(keys, raw, PURGE_ROWS).await {
                Ok(0) => return,
                Ok(rows) => debug!(rows, "forgot what was old"),
                Err(error) => {
                    warn!(%error, "could not forget what is old");
                    return;
                }
            }
        }
    }

    async fn forget_news(&self) {
        let before = self.clock.wall().minus(EARLY_NEWS);
        for _ in 0..PURGE_BITES {
            match self.store.forget_news(before, PURGE_ROWS).await {
                Ok(0) => return,
                Ok(news) => {
                    debug!(news, "forgot news that no message has come for");
                    self.bus
                        .emit(Draft::of(names::NEWS_EXPIRED).with("news", news));
                }
                Err(error) => {
                    warn!(%error, "could not forget news that no message has come for");
                    return;
                }
            }
        }
    }

    async fn forget_keys(&self) {
        let Some(keys) = &self.keys else { return };
        for _ in 0..PURGE_BITES {
            match keys.forget(self.clock.wall(), PURGE_ROWS).await {
                Ok(0) => return,
                Ok(rows) => debug!(rows, "forgot idempotency keys"),
                Err(error) => {
                    warn!(%error, "could not forget idempotency keys");
                    return;
                }
            }
        }
    }
}

/// Ticks, the first at once; one that comes late moves those behind it.
fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}
