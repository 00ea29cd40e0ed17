//! What has to be done now and then: a sign of life, long claims renewed, the log moved into
//! the main file, old keys and payloads forgotten.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use zupa_core::{Clock, ErrorKind, ProcessId, Store};

use crate::claim::InFlight;
use crate::settings::Settings;
use crate::writer::{HealthReport, Writer};

/// How often the log is looked at while there is traffic.
const CHECKPOINT: Duration = Duration::from_millis(250);
/// How often the purge looks for something to forget.
const PURGE: Duration = Duration::from_secs(60);
/// Rows that one purge takes away, so that it holds writers up only briefly.
const PURGE_ROWS: usize = 500;
/// Bites of one purge: some thousands of messages a second are kept up with.
const PURGE_BITES: usize = 400;

/// The chores and what they need.
pub(crate) struct Housekeeper {
    pub process: ProcessId,
    pub health: HealthReport,
    pub store: Arc<dyn Store>,
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
    pub in_flight: InFlight,
}

impl Housekeeper {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut renew = tokio::time::interval(self.settings.claim_expiry / 3);
        let mut heartbeat = tokio::time::interval(self.settings.heartbeat);
        let mut checkpoint = tokio::time::interval(CHECKPOINT);
        let mut purge = tokio::time::interval(PURGE);
        for chore in [&mut heartbeat, &mut renew, &mut checkpoint, &mut purge] {
            chore.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let mut seen = 0;
        loop {
            // Ticks are cancel safe; the chores themselves are never cut short.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = heartbeat.tick() => self.heartbeat().await,
                _ = renew.tick() => self.renew().await,
                _ = checkpoint.tick() => {
                    let batches = self.writer.batches();
                    if batches != seen {
                        seen = batches;
                        self.checkpoint().await;
                    }
                }
                _ = purge.tick() => self.purge().await,
            }
        }
    }

    /// Also finds out whether a store that failed takes writes again.
    async fn heartbeat(&self) {
        let written = self.store.heartbeat(self.process, self.clock.wall()).await;
        self.health.note(&written);
        if let Err(error) = written {
            warn!(%error, "the store takes no writes");
        }
    }

    async fn renew(&self) {
        let renewals = self
            .in_flight
            .renewals(self.clock.wall(), self.settings.claim_expiry);
        if !renewals.is_empty() {
            self.writer.renew(renewals).await;
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
}
