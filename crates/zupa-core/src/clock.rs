//! Time and fresh ids as ports, so that tests own them.

use std::fmt::Debug;
use std::time::Duration;

use uuid::Uuid;

use crate::time::Timestamp;

/// Reads time. Sleeping is tokio time, which tests pause.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Wall time. May jump.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed moment of this process; never goes back.
    fn monotonic(&self) -> Duration;

    /// Time since some fixed moment, which goes on while the machine sleeps; never goes
    /// back. What wall time is held against: a jump is what only one of the two makes.
    fn boot(&self) -> Duration;
}

/// Makes ids and randomness.
pub trait Ids: Debug + Send + Sync + 'static {
    /// A fresh UUID, version 7: later calls of one process sort later.
    fn fresh(&self) -> Uuid;

    /// 64 random bits, for jitter and salts.
    fn random(&self) -> u64;
}
