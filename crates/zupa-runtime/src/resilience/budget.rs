//! The retry budget: of a service that is down, all callers together ask again only so
//! often, or their retries would keep it down.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zupa_core::Clock;

use super::window::{Counts, Window};

/// How far back calls count.
const WINDOW: Duration = Duration::from_secs(30);
/// Retries of a window that are allowed however few calls there were: a tenth of a quiet
/// service's calls would be none.
const FLOOR: f64 = 10.0;

/// Retries that all calls of one port share.
#[derive(Debug)]
pub struct Budget {
    ratio: f64,
    clock: Arc<dyn Clock>,
    /// Calls, and the retries among them.
    window: Mutex<Window>,
}

impl Budget {
    /// Allows this share of the calls of the last 30 s as retries, from 0 to 1; and ten
    /// of them in any case, unless it is 0.
    pub fn new(ratio: f64, clock: Arc<dyn Clock>) -> Self {
        Self {
            ratio,
            clock,
            window: Mutex::new(Window::new(WINDOW)),
        }
    }

    /// Counts a call: its first try.
    pub fn called(&self) {
        self.add(Counts { all: 1, marked: 0 });
    }

    /// Takes a retry, if one is left.
    pub fn may_retry(&self) -> bool {
        let now = self.clock.monotonic();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = window.sum(now);
        let allowed = (self.ratio * recent.all as f64).max(FLOOR);
        let left = self.ratio > 0.0 && (recent.marked + 1) as f64 <= allowed;
        if left {
            window.add(now, Counts { all: 0, marked: 1 });
        }
        left
    }

    fn add(&self, counts: Counts) {
        let now = self.clock.monotonic();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.add(now, counts);
    }
}

#[cfg(test)]
mod tests {
    use zupa_testkit::ManualClock;

    use super::*;

    fn retries(budget: &Budget, calls: u32) -> u32 {
        let mut retries = 0;
        for _ in 0..calls {
            budget.called();
            for _ in 0..3 {
                retries += u32::from(budget.may_retry());
            }
        }
        retries
    }

    #[test]
    fn a_tenth_of_many_calls_is_tried_again_and_some_of_a_few() {
        let clock = Arc::new(ManualClock::default());
        let budget = Budget::new(0.1, clock.clone());
        assert_eq!(retries(&budget, 10_000), 1_000);
        clock.advance(WINDOW);
        assert_eq!(retries(&budget, 4), 10);
        assert_eq!(retries(&budget, 96), 0);
        clock.advance(WINDOW);
        assert_eq!(retries(&budget, 1), 3, "the window is over");
        assert_eq!(retries(&Budget::new(0.0, clock), 100), 0);
    }

    #[test]
    fn no_share_of_time_sees_more_than_its_tenth() {
        let clock = Arc::new(ManualClock::default());
        let budget = Budget::new(0.1, clock.clone());
        let mut all = 0;
        for _ in 0..100 {
            all += retries(&budget, 100);
            clock.advance(Duration::from_secs(1));
        }
        assert!(all <= 1_000, "{all} retries of 10,000 calls");
    }
}
