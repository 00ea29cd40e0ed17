//! `ManualClock`: time stands still until a test moves it. `TokioClock`: time
//! follows tokio's, which a test pauses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zupa_core::{Clock, Timestamp};

/// The first microsecond of 2026.
const NEW_YEAR: Timestamp = Timestamp(1_767_225_600_000_000);

/// A clock that a test moves. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<Mutex<Time>>,
}

#[derive(Debug, Clone, Copy)]
struct Time {
    wall: Timestamp,
    monotonic: Duration,
    boot: Duration,
}

impl ManualClock {
    /// A clock that shows `wall`, in a process that has just started.
    pub fn at(wall: Timestamp) -> Self {
        let time = Time {
            wall,
            monotonic: Duration::ZERO,
            boot: Duration::ZERO,
        };
        Self {
            time: Arc::new(Mutex::new(time)),
        }
    }

    /// Lets time pass: wall time, monotonic time and boot time alike.
    pub fn advance(&self, by: Duration) {
        self.sleep(by);
        self.change(|time| time.monotonic = time.monotonic.saturating_add(by));
    }

    /// Lets time pass while the machine sleeps: monotonic time stands still.
    pub fn sleep(&self, by: Duration) {
        self.change(|time| {
            time.wall = time.wall.plus(by);
            time.boot = time.boot.saturating_add(by);
        });
    }

    /// Lets wall time alone jump, as it does when somebody sets the clock.
    pub fn jump_to(&self, wall: Timestamp) {
        self.change(|time| time.wall = wall);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Time) -> T) -> T {
        change(&mut self.time.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for ManualClock {
    /// A clock that shows the first microsecond of 2026.
    fn default() -> Self {
        Self::at(NEW_YEAR)
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        self.change(|time| time.wall)
    }

    fn monotonic(&self) -> Duration {
        self.change(|time| time.monotonic)
    }

    fn boot(&self) -> Duration {
        self.change(|time| time.boot)
    }
}

/// A clock that follows tokio's time. Where a test pauses that, wall time moves
/// exactly as sleeps and deadlines do, and nobody waits for it.
#[derive(Debug, Clone)]
pub struct TokioClock {
    wall: Arc<Mutex<Timestamp>>,
    started: Instant,
}

impl TokioClock {
    /// A clock that shows `wall` now. Belongs to the tokio runtime it is made in.
    pub fn at(wall: Timestamp) -> Self {
        Self {
            wall: Arc::new(Mutex::new(wall)),
            started: Instant::now(),
        }
    }

    /// Lets wall time alone jump, for all clones.
    pub fn jump_to(&self, wall: Timestamp) {
        *self.start() = wall.minus(self.monotonic());
    }

    /// What wall time was at the start, or would have been.
    fn start(&self) -> MutexGuard<'_, Timestamp> {
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for TokioClock {
    /// A clock that shows the first microsecond of 2026.
    fn default() -> Self {
        Self::at(NEW_YEAR)
    }
}

impl Clock for TokioClock {
    fn wall(&self) -> Timestamp {
        self.start().plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn boot(&self) -> Duration {
        self.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_wall_time_alone() {
        let clock = ManualClock::at(Timestamp(0));
        clock.advance(Duration::from_secs(3));
        clock.clone().jump_to(Timestamp(7));
        assert_eq!(clock.wall(), Timestamp(7));
        assert_eq!(clock.monotonic(), Duration::from_secs(3));
        clock.sleep(Duration::from_secs(2));
        assert_eq!(clock.wall(), Timestamp(2_000_007));
        assert_eq!(clock.monotonic(), Duration::from_secs(3));
        assert_eq!(clock.boot(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn wall_time_moves_with_tokio_time() {
        let clock = TokioClock::at(Timestamp(0));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(clock.clone().wall(), Timestamp(3_000_000));
        assert_eq!(clock.monotonic(), Duration::from_secs(3));
        clock.clone().jump_to(Timestamp(7));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(clock.wall(), Timestamp(1_000_007));
    }
}
