//! Permits for turns in flight, and the way of a turn that was claimed while its
//! message was accepted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use zupa_core::store::ClaimedTurn;

/// The right to run turns, mostly one; given back when dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// Where permits come from, and where claimed turns go.
#[derive(Debug, Clone)]
pub(crate) struct Hiring {
    permits: Arc<Semaphore>,
    turns: u32,
    started: mpsc::UnboundedSender<Started>,
}

/// A turn that is claimed, and whoever runs it.
pub(crate) struct Started {
    pub turn: Box<ClaimedTurn>,
    pub permit: Permit,
    /// When the claim was asked for, on the monotonic clock.
    pub asked: Duration,
}

/// The dispatcher's end. There is a permit for each entry, so it is bounded.
pub(crate) type Hired = mpsc::UnboundedReceiver<Started>;

impl Hiring {
    /// For as many turns at once, but no permits yet: the dispatcher opens when
    /// the time has come.
    pub(crate) fn closed(turns: usize) -> (Self, Hired) {
        let (started, hired) = mpsc::unbounded_channel();
        (
            Self {
                permits: Arc::new(Semaphore::new(0)),
                turns: u32::try_from(turns.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX),
                started,
            },
            hired,
        )
    }

    /// Lets turns run.
    pub(crate) fn open(&self) {
        self.permits.add_permits(self.turns as usize);
    }

    /// A permit, if somebody is free and nobody waits for one.
    pub(crate) fn try_hire(&self) -> Option<Permit> {
        self.permits.clone().try_acquire_owned().ok()
    }

    /// Waits for a permit, first come, first served. Cancel safe.
    pub(crate) async fn hire(&self) -> Option<Permit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Waits for all permits: until the running turns have ended, while no other
    /// starts. Cancel safe.
    pub(crate) async fn hire_all(&self) -> Option<Permit> {
        let permits = self.permits.clone();
        permits.acquire_many_owned(self.turns).await.ok()
    }

    /// Hands over a turn that is claimed already. When the dispatcher has gone the
    /// process is stopping, and the next start takes the claim back.
    pub(crate) fn start(&self, started: Started) {
        let _ = self.started.send(started);
    }
}
