//! Tells how channels stand: each change on the bus, and a block in the audit of the
//! installation as well.
//!
//! What arrives: the handle of a channel, and its changes. What is guaranteed on leaving: a
//! block that was seen is durable, as long as the store takes it before the end. If the
//! process dies here, the next one sees how the channel stands then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use zupa_core::standing::{State, Status};
use zupa_core::{AuditEntry, Desk, Digest, EventBus, Standing, Timestamp};

use crate::telemetry;

/// Between two tries to write a block down.
const AGAIN: Duration = Duration::from_secs(5);

/// Follows one channel.
pub(crate) struct Follower {
    standing: Standing,
    bus: EventBus,
    desk: Option<Arc<dyn Desk>>,
    config: Digest,
    told: (State, Timestamp),
}

impl Follower {
    /// From how the channel stands now; that itself is no change.
    pub fn of(
        standing: Standing,
        bus: EventBus,
        desk: Option<Arc<dyn Desk>>,
        config: Digest,
    ) -> Self {
        let Status { state, since, .. } = standing.now();
        Self {
            standing,
            bus,
            desk,
            config,
            told: (state, since),
        }
    }

    /// Until `stop`, or until the channel is gone.
    pub async fn run(mut self, stop: CancellationToken) {
        // Cancel safe: what was not told goes with the process.
        stop.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&mut self) {
        loop {
            let Status { state, since, .. } = self.standing.status.borrow_and_update().clone();
            if (state, since) != self.told {
                self.told = (state, since);
                self.tell(state, since).await;
            }
            if self.standing.status.changed().await.is_err() {
                return;
            }
        }
    }

    async fn tell(&self, state: State, since: Timestamp) {
        self.bus.emit(telemetry::stands(&self.standing, state));
        let (State::Blocked(reason), Some(desk)) = (state, &self.desk) else {
            return;
        };
        let channel = &self.standing.channel;
        let entry = AuditEntry {
            reason: format!("{channel}: {reason}"),
            config: self.config,
            ..AuditEntry::told(since, "runtime", "channel.blocked")
        };
        while let Err(error) = desk.record_act(entry.clone()).await {
            warn!(%channel, %error, "that a channel is blocked cannot be written down yet");
            sleep(AGAIN).await;
        }
    }
}
