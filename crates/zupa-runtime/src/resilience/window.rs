//! What happened lately, counted in bounded memory: a ring of buckets, each a tenth of the
//! window. The oldest tenth goes as a whole, so a sum looks back over at least nine tenths
//! of the window and never over more than all of it.

use std::time::Duration;

/// Parts of a window.
pub(super) const BUCKETS: u128 = 10;

/// How much of what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All of it.
    pub all: u64,
    /// What is looked for among it.
    pub marked: u64,
}

/// Counts of the last while.
#[derive(Debug)]
pub(super) struct Window {
    /// Nanoseconds of a bucket.
    width: u128,
    buckets: [(u128, Counts); BUCKETS as usize],
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            width: (length.as_nanos() / BUCKETS).max(1),
            buckets: Default::default(),
        }
    }

    /// Counts something at a time that never goes back.
    pub(super) fn add(&mut self, now: Duration, counts: Counts) {
        let place = now.as_nanos() / self.width;
        let (of, bucket) = &mut self.buckets[(place % BUCKETS) as usize];
        if *of != place {
            (*of, *bucket) = (place, Counts::default());
        }
        bucket.all += counts.all;
        bucket.marked += counts.marked;
    }

    /// All that is still within the window.
    pub(super) fn sum(&self, now: Duration) -> Counts {
        let place = now.as_nanos() / self.width;
        let recent = self.buckets.iter().filter(|(of, _)| of + BUCKETS > place);
        recent.fold(Counts::default(), |sum, (_, bucket)| Counts {
            all: sum.all + bucket.all,
            marked: sum.marked + bucket.marked,
        })
    }

    pub(super) fn clear(&mut self) {
        self.buckets = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = Window::new(Duration::from_secs(10));
        let at = Duration::from_secs;
        let one = Counts { all: 1, marked: 1 };
        window.add(at(0), one);
        window.add(at(5), Counts { all: 2, marked: 0 });
        let sum = |window: &Window, now| {
            let Counts { all, marked } = window.sum(at(now));
            (all, marked)
        };
        assert_eq!(sum(&window, 9), (3, 1));
        assert_eq!(sum(&window, 10), (2, 0));
        assert_eq!(sum(&window, 15), (0, 0));
        // The place in the ring is used again, the old count is not.
        window.add(at(20), one);
        assert_eq!(sum(&window, 20), (1, 1));
    }
}
