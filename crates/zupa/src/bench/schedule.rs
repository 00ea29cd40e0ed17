//! When the messages of an open loop are due: in bursts, once a millisecond.

use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(1);

/// The bursts to come.
#[derive(Debug)]
pub(super) struct Ticks {
    next: Instant,
    per_second: u64,
    passed: u64,
    sent: u64,
}

impl Ticks {
    pub(super) fn starting(start: Instant, per_second: u32) -> Self {
        Self {
            next: start,
            per_second: u64::from(per_second),
            passed: 0,
            sent: 0,
        }
    }

    /// When the next burst is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// The next burst, if its time has come: when it was due, and how many
    /// messages it has. Latency counts from that time, not from when the
    /// generator got round to it, or a slow generator would hide waiting.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Instant, u64)> {
        if self.next > now {
            return None;
        }
        let due = self.next;
        self.next += TICK;
        self.passed += 1;
        let target = self.passed * self.per_second / 1_000;
        let burst = target - self.sent;
        self.sent = target;
        Some((due, burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::clock;

    #[test]
    fn a_second_of_bursts_has_its_rate() {
        let start = clock::now();
        let mut ticks = Ticks::starting(start, 1_500);
        let mut sent = 0;
        while let Some((_, burst)) = ticks.take(start + Duration::from_millis(999)) {
            assert!(burst <= 2);
            sent += burst;
        }
        assert_eq!(sent, 1_500);
        assert_eq!(ticks.next(), start + Duration::from_secs(1));
    }
}
