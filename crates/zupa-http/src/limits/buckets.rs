//! A token bucket for each key, and never more than so many keys.
//!
//! governor does the sums. The map is ours, because its own ones forget nothing by
//! themselves and know no bound.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use zupa_core::Clock;

/// How often buckets that are full again are forgotten.
const SWEEP: Duration = Duration::from_secs(60);
/// How often that is tried while there is no room for another key.
const CROWDED_SWEEP: Duration = Duration::from_secs(1);

/// Buckets that hold a minute's worth each, and fill at an even pace.
pub(super) struct Buckets<K: Hash + Eq + Clone> {
    per_minute: NonZeroU32,
    clock: PortClock,
    limiter: RateLimiter<K, Kept<K>, PortClock, StateInformationMiddleware>,
}

/// What became of taking one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was there.
    Yes(Standing),
    /// The bucket was empty; there is one again in so long.
    No(Standing, Duration),
}

/// How a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// What it holds at most.
    pub limit: u32,
    /// What is in it.
    pub remaining: u32,
}

impl Standing {
    /// Seconds until it is full.
    pub(super) fn reset(self) -> u64 {
        let missing = u64::from(self.limit.saturating_sub(self.remaining));
        (missing * 60).div_ceil(u64::from(self.limit.max(1)))
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// At most `most` buckets of their own; further keys share one.
    pub(super) fn new(per_minute: NonZeroU32, most: usize, clock: Arc<dyn Clock>) -> Self {
        let clock = PortClock(clock);
        let kept = Kept::new(most, clock.clone());
        Self {
            per_minute,
            limiter: RateLimiter::new(Quota::per_minute(per_minute), kept, clock.clone()),
            clock,
        }
    }

    /// Takes one out of the key's bucket.
    pub(super) fn take(&self, key: &K) -> Taken {
        let limit = self.per_minute.get();
        match self.limiter.check_key(key) {
            Ok(state) => Taken::Yes(Standing {
                limit,
                remaining: state.remaining_burst_capacity(),
            }),
            Err(until) => {
                let empty = Standing {
                    limit,
                    remaining: 0,
                };
                Taken::No(empty, until.wait_time_from(self.clock.now()))
            }
        }
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Buckets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buckets({} per minute)", self.per_minute)
    }
}

/// The port, as governor reads it.
#[derive(Debug, Clone)]
struct PortClock(Arc<dyn Clock>);

impl governor::clock::Clock for PortClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

/// The buckets that are not full, each as the time when it will be.
struct Kept<K> {
    most: usize,
    clock: PortClock,
    start: Duration,
    state: Mutex<State<K>>,
}

struct State<K> {
    full_at: HashMap<K, Nanos>,
    /// The bucket of all keys for which there was no room.
    others: Option<Nanos>,
    swept: Duration,
}

impl<K: Hash + Eq + Clone> Kept<K> {
    fn new(most: usize, clock: PortClock) -> Self {
        let start = clock.now();
        Self {
            most,
            clock,
            start,
            state: Mutex::new(State {
                full_at: HashMap::new(),
                others: None,
                swept: start,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is full again: a bucket that nobody knows is full, too.
    fn sweep(&self, state: &mut State<K>) {
        let now = self.clock.now();
        let period = match state.full_at.len() < self.most {
            true => SWEEP,
            false => CROWDED_SWEEP,
        };
        if now.saturating_sub(state.swept) < period {
            return;
        }
        state.swept = now;
        let now = Nanos::from(now.saturating_sub(self.start));
        state.full_at.retain(|_, full_at| *full_at > now);
        state.full_at.shrink_to_fit();
    }
}

impl<K: Hash + Eq + Clone> StateStore for Kept<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut state = self.lock();
        if let Some(full_at) = state.full_at.get_mut(key) {
            let (taken, next) = measure(Some(*full_at))?;
            *full_at = next;
            return Ok(taken);
        }
        self.sweep(&mut state);
        if state.full_at.len() < self.most {
            let (taken, next) = measure(None)?;
            state.full_at.insert(key.clone(), next);
            return Ok(taken);
        }
        let (taken, next) = measure(state.others)?;
        state.others = Some(next);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zupa_core::Timestamp;

    #[derive(Debug, Default)]
    struct Manual(Mutex<Duration>);

    impl Manual {
        fn advance(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Clock for Manual {
        fn wall(&self) -> Timestamp {
            Timestamp(0)
        }
        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
        fn boot(&self) -> Duration {
            self.monotonic()
        }
    }

    fn buckets(per_minute: u32, most: usize) -> (Buckets<u32>, Arc<Manual>) {
        let clock = Arc::new(Manual::default());
        clock.advance(Duration::from_secs(1_000));
        let per_minute = NonZeroU32::new(per_minute).unwrap();
        (Buckets::new(per_minute, most, clock.clone()), clock)
    }

    fn keys(buckets: Buckets<u32>) -> usize {
        buckets.limiter.into_state_store().lock().full_at.len()
    }

    fn remaining(taken: Taken) -> u32 {
        match taken {
            Taken::Yes(standing) => standing.remaining,
            Taken::No(..) => panic!("refused: {taken:?}"),
        }
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_at_an_even_pace() {
        let (buckets, clock) = buckets(60, 10);
        for left in (0..60).rev() {
            assert_eq!(remaining(buckets.take(&1)), left);
        }
        let Taken::No(standing, wait) = buckets.take(&1) else {
            panic!("it was empty");
        };
        assert_eq!((standing.remaining, standing.reset()), (0, 60));
        assert_eq!(wait, Duration::from_secs(1));
        assert_eq!(remaining(buckets.take(&2)), 59, "another key has its own");
        clock.advance(Duration::from_secs(1));
        assert_eq!(remaining(buckets.take(&1)), 0);
        assert!(matches!(buckets.take(&1), Taken::No(..)));
        clock.advance(Duration::from_secs(60));
        assert_eq!(remaining(buckets.take(&1)), 59);
    }

    #[test]
    fn keys_are_bounded_and_those_beyond_share_one_bucket() {
        let (buckets, _) = buckets(60, 1_000);
        let refused = (0..100_000)
            .filter(|key| matches!(buckets.take(key), Taken::No(..)))
            .count();
        assert_eq!(refused, 100_000 - 1_000 - 60);
        assert_eq!(
            remaining(buckets.take(&7)),
            58,
            "who was first keeps its own"
        );
        assert_eq!(keys(buckets), 1_000);
    }

    #[test]
    fn buckets_that_are_full_again_make_room() {
        let (buckets, clock) = buckets(60, 1_000);
        for round in 0..100 {
            for key in 0..1_000 {
                let taken = buckets.take(&(round * 1_000 + key));
                assert_eq!(remaining(taken), 59, "{round} {key}");
            }
            clock.advance(CROWDED_SWEEP);
        }
        clock.advance(SWEEP);
        assert_eq!(remaining(buckets.take(&0)), 59);
        assert_eq!(keys(buckets), 1);
    }

    #[test]
    fn no_sweep_fills_a_bucket_early() {
        let (buckets, clock) = buckets(60, 10);
        for _ in 0..60 {
            buckets.take(&1);
        }
        clock.advance(Duration::from_secs(30));
        buckets.take(&2);
        clock.advance(Duration::from_secs(29));
        buckets.take(&3);
        assert_eq!(remaining(buckets.take(&1)), 58, "59 s have filled in 59");
    }
}
