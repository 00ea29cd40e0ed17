//! The two rates that Meta enforces. Pure: the time is told.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// What a number sent within the last second.
#[derive(Debug, Default)]
pub(crate) struct PerSecond(VecDeque<Instant>);

impl PerSecond {
    /// Whether one more is allowed now.
    pub(crate) fn allows(&mut self, now: Instant, limit: u32) -> bool {
        while self.0.front().is_some_and(|at| now - *at >= SECOND) {
            self.0.pop_front();
        }
        self.0.len() < limit as usize
    }

    pub(crate) fn count(&mut self, now: Instant) {
        self.0.push_back(now);
    }
}

/// What a number sent to one person: each message takes a pause of time, and so many may
/// be borrowed from the future.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    /// When everything that was sent is paid back.
    even_at: Option<Instant>,
}

impl Pair {
    /// Whether one more is allowed now.
    pub(crate) fn allows(&self, now: Instant, burst: u32, pause: Duration) -> bool {
        let borrowed = self
            .even_at
            .map_or(Duration::ZERO, |even| even.saturating_duration_since(now));
        borrowed <= pause * burst.saturating_sub(1)
    }

    pub(crate) fn count(&mut self, now: Instant, pause: Duration) {
        let from = self.even_at.map_or(now, |even| even.max(now));
        self.even_at = Some(from + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(6);

    fn fill(pair: &mut Pair, now: Instant) -> usize {
        let mut taken = 0;
        while pair.allows(now, 45, PAUSE) {
            pair.count(now, PAUSE);
            taken += 1;
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_lends_forty_five_and_takes_one_back_every_six_seconds() {
        let (mut pair, start) = (Pair::default(), Instant::now());
        assert_eq!(fill(&mut pair, start), 45);
        let almost = PAUSE - Duration::from_millis(1);
        assert_eq!(fill(&mut pair, start + almost), 0);
        assert_eq!(fill(&mut pair, start + PAUSE), 1);
        assert_eq!(fill(&mut pair, start + 11 * PAUSE), 10);
        // A quiet hour is worth no more than a whole burst.
        assert_eq!(fill(&mut pair, start + 600 * PAUSE), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_holds_so_many_wherever_it_begins() {
        let (mut rate, start) = (PerSecond::default(), Instant::now());
        for millis in [0, 500, 600] {
            let now = start + Duration::from_millis(millis);
            assert!(rate.allows(now, 3));
            rate.count(now);
        }
        assert!(!rate.allows(start + Duration::from_millis(999), 3));
        assert!(rate.allows(start + Duration::from_millis(1_000), 3));
        rate.count(start + Duration::from_millis(1_000));
        assert!(!rate.allows(start + Duration::from_millis(1_499), 3));
    }
}
