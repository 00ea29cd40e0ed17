//! Two processes over one store.

use std::time::Duration;

use tokio::time::Instant;
use zupa_core::{Deduplicates, Error, ErrorKind, Outcome, Retry};
use zupa_testkit::{Call, Fault};

use super::{Setup, World, error, pass};

/// Two processes over one store, behind one door.
pub struct Replicas {
    pub a: World,
    pub b: World,
}

impl Replicas {
    pub async fn start(setup: &Setup) -> Self {
        Self {
            a: awake(setup.start().await).await,
            b: awake(setup.another().start().await).await,
        }
    }

    pub fn stale_writes(&self) -> (u64, u64) {
        let stale = |world: &World| world.runtime().stale_writes();
        (stale(&self.a), stale(&self.b))
    }
}

impl World {
    /// Nothing that this process says reaches the store.
    pub fn cut_off(&self) {
        for call in [Call::Write, Call::Heartbeat, Call::Due, Call::DueDeliveries] {
            self.store.always(call, Fault::Fail(away()));
        }
    }

    /// Waits for the end of everything; answers how long that took.
    pub async fn quiet_after(&self) -> Duration {
        let begun = Instant::now();
        self.quiet().await;
        begun.elapsed()
    }
}

/// A process whose workers are at hand: a message is claimed as it is accepted.
pub async fn awake(world: World) -> World {
    pass(Duration::from_millis(1)).await;
    world
}

/// The store is away for a while.
pub fn away() -> Error {
    error(ErrorKind::Unavailable).with_retry(Retry::Now)
}

/// The store may have heard it.
pub fn unheard() -> Error {
    error(ErrorKind::Unavailable).with_outcome(Outcome::Unknown)
}

/// A door that is sent to, and a store for several processes.
pub fn phones(deduplicates: Deduplicates) -> Setup {
    Setup::phone(deduplicates).replicated()
}
