//! Permits for turns in flight, and the way of a turn that was claimed while its
//! message was accepted.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use zupa_core::store::ClaimedTurn;

/// The right to run one turn; given back when dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// Where permits come from, and where claimed turns go.
#[derive(Debug, Clone)]
pub(crate) struct Hiring {
    permits: Arc<Semaphore>,
    started: mpsc::UnboundedSender<(Box<ClaimedTurn>, Permit)>,
}

/// The dispatcher's end. There is a permit for each entry, so it is bounded.
pub(crate) type Hired = mpsc::UnboundedReceiver<(Box<ClaimedTurn>, Permit)>;

impl Hiring {
    /// No permits yet: the dispatcher opens when the time has come.
    pub(crate) fn closed() -> (Self, Hired) {
        let (started, hired) = mpsc::unbounded_channel();
        (
            Self {
                permits: Arc::new(Semaphore::new(0)),
                started,
            },
            hired,
        )
    }

    /// Lets this many turns run at once.
    pub(crate) fn open(&self, turns: usize) {
        self.permits
            .add_permits(turns.clamp(1, Semaphore::MAX_PERMITS));
    }

    /// A permit, if somebody is free and nobody waits for one.
    pub(crate) fn try_hire(&self) -> Option<Permit> {
        self.permits.clone().try_acquire_owned().ok()
    }

    /// Waits for a permit, first come, first served. Cancel safe.
    pub(crate) async fn hire(&self) -> Option<Permit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Hands over a turn that is claimed already. When the dispatcher has gone the
    /// process is stopping, and the next start takes the claim back.
    pub(crate) fn start(&self, turn: Box<ClaimedTurn>, permit: Permit) {
        let _ = self.started.send((turn, permit));
    }
}
