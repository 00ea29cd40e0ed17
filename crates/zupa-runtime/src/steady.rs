//! A wall clock that is believed only after a while.
//!
//! Somebody sets the machine's clock, or it was wrong and is put right: wall time then
//! moves against boot time. The path's times are rows in wall time, so all that is due in
//! the skipped time would be due at once, and all that is due soon would be due after an
//! hour. Therefore a jump is not followed at once: wall time goes on as before, by boot
//! time, until the new time has been stable for a while. A jump that is taken back by then
//! was none. [0027](../../../docs/decisions/0027-a-clock-that-jumps.md) says more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;
use zupa_core::{Clock, EventBus, Timestamp};

use crate::telemetry;

/// Wall time may be so far off, either way, and is followed: clocks are corrected in
/// small steps all the time.
const TOLERATED: Duration = Duration::from_secs(60);
/// How long a new time has to last before it is believed.
const STABLE: Duration = Duration::from_secs(5 * 60);

/// What became of a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Wall time has moved by so much, and is not followed yet.
    Jumped(Moved),
    /// It was stable, and is followed from now on.
    Followed(Moved),
    /// It is back where it was.
    TakenBack,
}

/// How far, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub by: Duration,
    pub way: &'static str,
}

/// The clock that the runtime uses, in front of the machine's.
#[derive(Debug)]
pub(crate) struct Steady {
    clock: Arc<dyn Clock>,
    bus: EventBus,
    belief: Mutex<Belief>,
}

impl Steady {
    /// Believes what the clock shows now.
    pub(crate) fn new(clock: Arc<dyn Clock>, bus: EventBus) -> Self {
        let belief = Belief::new(clock.wall(), clock.boot());
        Self {
            clock,
            bus,
            belief: Mutex::new(belief),
        }
    }

    fn tell(&self, news: News) {
        match news {
            News::Jumped(Moved { by, way }) => {
                warn!(
                    ?by,
                    way, "the clock has jumped; the time before goes on for now"
                );
            }
            News::Followed(Moved { by, way }) => {
                warn!(
                    ?by,
                    way, "the clock has been stable since it jumped, and is followed"
                );
            }
            News::TakenBack => warn!("the clock has jumped back to where it was"),
        }
        self.bus.emit(telemetry::clock(news));
    }

    fn belief(&self) -> MutexGuard<'_, Belief> {
        self.belief.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Steady {
    fn wall(&self) -> Timestamp {
        let (wall, news) = {
            let mut belief = self.belief();
            belief.look(self.clock.wall(), self.clock.boot())
        };
        if let Some(news) = news {
            self.tell(news);
        }
        wall
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn boot(&self) -> Duration {
        self.clock.boot()
    }
}

/// What is believed of wall time. No clock: whoever looks has one.
#[derive(Debug)]
struct Belief {
    /// What wall time was, or would have been, when boot time began.
    start: Timestamp,
    doubt: Option<Doubt>,
}

/// A wall time that may come to be believed.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    start: Timestamp,
    /// In boot time.
    since: Duration,
}

impl Belief {
    fn new(wall: Timestamp, boot: Duration) -> Self {
        Self {
            start: wall.minus(boot),
            doubt: None,
        }
    }

    /// What time it is, as far as that is believed.
    fn look(&mut self, wall: Timestamp, boot: Duration) -> (Timestamp, Option<News>) {
        let start = wall.minus(boot);
        if is_near(start, self.start) {
            self.start = start;
            let doubted = self.doubt.take();
            return (wall, doubted.map(|_| News::TakenBack));
        }
        let news = match self.doubt.filter(|doubt| is_near(start, doubt.start)) {
            None => {
                self.doubt = Some(Doubt { start, since: boot });
                Some(News::Jumped(moved(self.start, start)))
            }
            Some(doubt) if boot.saturating_sub(doubt.since) < STABLE => {
                let since = doubt.since;
                self.doubt = Some(Doubt { start, since });
                None
            }
            Some(_) => {
                let followed = News::Followed(moved(self.start, start));
                *self = Self { start, doubt: None };
                Some(followed)
            }
        };
        (self.start.plus(boot), news)
    }
}

fn is_near(one: Timestamp, other: Timestamp) -> bool {
    moved(one, other).by <= TOLERATED
}

fn moved(from: Timestamp, to: Timestamp) -> Moved {
    if to >= from {
        Moved {
            by: to.since(from),
            way: "forward",
        }
    } else {
        Moved {
            by: from.since(to),
            way: "back",
        }
    }
}

#[cfg(test)]
mod tests {
    use zupa_core::bus::{Draft, names};
    use zupa_testkit::ManualClock;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const SECOND: Duration = Duration::from_secs(1);

    fn steady() -> (ManualClock, Steady) {
        let clock = ManualClock::default();
        let steady = Steady::new(Arc::new(clock.clone()), EventBus::default());
        (clock, steady)
    }

    /// Looks every second for so long; the time that is believed goes on by seconds.
    fn goes_on(clock: &ManualClock, steady: &Steady, time: Duration) {
        let before = steady.wall();
        for second in 1..=time.as_secs() {
            clock.advance(SECOND);
            assert_eq!(steady.wall(), before.plus(SECOND * second as u32));
        }
    }

    #[test]
    fn a_jump_either_way_is_followed_once_it_was_stable_for_five_minutes() {
        let day = HOUR * 24;
        for (forward, by) in [(false, HOUR), (true, day), (true, day * 3_652)] {
            let (clock, steady) = steady();
            let there = match forward {
                true => clock.wall().plus(by),
                false => clock.wall().minus(by),
            };
            clock.jump_to(there);
            goes_on(&clock, &steady, STABLE - SECOND);
            clock.advance(SECOND);
            assert_eq!(steady.wall(), clock.wall());
            assert_eq!(steady.wall(), there.plus(STABLE));
            goes_on(&clock, &steady, STABLE * 2);
        }
    }

    #[test]
    fn a_jump_that_is_taken_back_in_time_was_none() {
        let (clock, steady) = steady();
        let before = clock.wall();
        clock.jump_to(before.plus(HOUR));
        goes_on(&clock, &steady, STABLE - SECOND * 2);
        clock.jump_to(before.plus(STABLE - SECOND * 2));
        goes_on(&clock, &steady, STABLE * 3);
        assert_eq!(steady.wall(), clock.wall());
    }

    #[test]
    fn a_clock_that_jumps_about_is_not_believed_before_it_rests() {
        let (clock, steady) = steady();
        for _ in 0..20 {
            clock.jump_to(clock.wall().plus(HOUR));
            goes_on(&clock, &steady, STABLE / 2);
        }
        goes_on(&clock, &steady, STABLE / 2 - SECOND);
        clock.advance(SECOND);
        assert_eq!(steady.wall(), clock.wall());
    }

    #[test]
    fn small_steps_and_slow_drift_are_followed_at_once() {
        let (clock, steady) = steady();
        for _ in 0..1_000 {
            clock.advance(SECOND);
            clock.jump_to(clock.wall().plus(TOLERATED));
            assert_eq!(steady.wall(), clock.wall());
        }
    }

    #[test]
    fn a_machine_that_slept_has_not_jumped() {
        let (clock, steady) = steady();
        clock.sleep(HOUR * 9);
        assert_eq!(steady.wall(), clock.wall());
    }

    #[tokio::test]
    async fn each_jump_is_told_once_and_so_is_its_end() {
        let clock = ManualClock::default();
        let bus = EventBus::default();
        let mut told = bus.feed("clock:*").unwrap();
        let driver = bus.driver(Arc::new(clock.clone())).unwrap();
        let steady = Steady::new(Arc::new(clock.clone()), bus.clone());
        let before = clock.wall();
        clock.jump_to(before.minus(HOUR));
        goes_on(&clock, &steady, SECOND * 10);
        clock.jump_to(before.plus(SECOND * 10));
        goes_on(&clock, &steady, SECOND * 10);
        clock.jump_to(before.plus(HOUR));
        goes_on(&clock, &steady, STABLE - SECOND);
        clock.advance(SECOND);
        steady.wall();
        bus.stop();
        driver.run().await;
        let jumped = |by: Duration, way: &'static str| {
            Draft::of(names::CLOCK_JUMPED)
                .with("by", by)
                .with("way", way)
        };
        let forward = HOUR - SECOND * 20;
        let followed = Draft::of(names::CLOCK_FOLLOWED);
        let wanted = [
            jumped(HOUR, "back"),
            Draft::of(names::CLOCK_TAKEN_BACK),
            jumped(forward, "forward"),
            followed.with("by", forward).with("way", "forward"),
        ];
        for wanted in wanted {
            let event = told.next().await.unwrap();
            assert_eq!((event.name, &event.payload), (wanted.name, &wanted.payload));
        }
        assert!(told.next().await.is_none());
    }
}
