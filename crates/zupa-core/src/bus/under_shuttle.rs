//! The bus under a scheduler that decides at each shared read and write who goes on: the
//! same files, over `shuttle`'s atomics and locks. The ring, the waker and the
//! subscribers' buffers are not ours and count as one step each.

#![allow(dead_code, reason = "the checks use a part of it")]
#![allow(
    clippy::duplicate_mod,
    reason = "the same files over other atomics are the point"
)]

#[path = "driver.rs"]
mod driver;
#[path = "handle.rs"]
mod handle;
#[path = "reduce.rs"]
mod reduce;
#[path = "registry.rs"]
mod registry;
#[path = "subscribe.rs"]
mod subscribe;
#[path = "tally.rs"]
mod tally;

mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
    pub(super) use shuttle::sync::{Mutex, MutexGuard};
}

use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread;

use self::handle::EventBus;
use super::{Draft, Name, event, names, pattern};
use crate::clock::Clock;
use crate::time::Timestamp;

const ONE: Name = Name::new("test", "one");

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        Timestamp(7)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// Schedules: 100,000 where it is built with ZUPA_CASES=100000.
fn schedules() -> usize {
    let wanted = option_env!("ZUPA_CASES");
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(1_000)
}

/// Half of the schedules at random, half with few changes at chosen points.
fn check(run: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(run, schedules() / 2);
    shuttle::check_pct(run, schedules() / 2, 3);
}

fn numbered(number: u64) -> Draft {
    Draft::of(ONE).with("number", number)
}

/// Whoever emits waits until the event has come round. A lost wake-up is a deadlock, of
/// which the scheduler tells.
#[test]
fn no_wake_up_is_lost() {
    check(|| {
        let bus = EventBus::new(4);
        let driver = bus.driver(Arc::new(Still)).unwrap();
        let mut feed = bus.feed("*").unwrap();
        let driving = thread::spawn(move || block_on(driver.run()));
        for number in 0..3 {
            bus.emit(numbered(number));
            let event = block_on(feed.next()).unwrap();
            assert_eq!(event.seq, number + 1);
        }
        bus.stop();
        driving.join().unwrap();
        assert!(block_on(feed.next()).is_none());
    });
}

/// A rest that never ends by itself: half of a full ring ends it, or the end of the bus.
#[test]
fn no_end_of_a_rest_is_lost() {
    check(|| {
        let bus = EventBus::new(2);
        let driver = bus.driver(Arc::new(Still)).unwrap();
        let driver = driver.resting(std::future::pending);
        let mut feed = bus.feed("*").unwrap();
        let driving = thread::spawn(move || block_on(driver.run()));
        for number in 0..3 {
            bus.emit(numbered(number));
            assert_eq!(block_on(feed.next()).unwrap().seq, number + 1);
        }
        bus.stop();
        driving.join().unwrap();
        assert!(block_on(feed.next()).is_none());
    });
}

/// Two producers on a ring that is too small: what does not come is counted, and the
/// numbers say where.
#[test]
fn what_is_lost_is_counted_and_numbers_have_gaps_for_it() {
    check(|| {
        let bus = EventBus::new(2);
        let driver = bus.driver(Arc::new(Still)).unwrap();
        let mut feed = bus.feed("*").unwrap();
        let driving = thread::spawn(move || block_on(driver.run()));
        let producers = [0, 1].map(|_| {
            let bus = bus.clone();
            thread::spawn(move || (0..3).for_each(|number| bus.emit(numbered(number))))
        });
        for producer in producers {
            producer.join().unwrap();
        }
        bus.stop();
        driving.join().unwrap();
        let (mut last, mut seen, mut marked) = (0, 0, 0);
        while let Some(event) = block_on(feed.next()) {
            if event.name == names::BUS_DROPPED {
                let lost = event.payload.number("events").unwrap();
                assert_eq!(event.seq, last + lost + 1);
                marked += lost;
            } else {
                assert_eq!(event.seq, last + 1);
                seen += 1;
            }
            last = event.seq;
        }
        let lost: u64 = bus.dropped().iter().map(|(_, lost)| lost).sum();
        assert_eq!((seen + lost, marked), (6, lost));
    });
}

/// Whoever has subscribed gets what is emitted from then on, whatever the driver does
/// meanwhile, and nothing keeps the bus from ending.
#[test]
fn who_comes_while_it_runs_misses_nothing_from_then_on() {
    check(|| {
        let bus = EventBus::new(8);
        let driver = bus.driver(Arc::new(Still)).unwrap();
        let _first = bus.feed("other:*").unwrap();
        let driving = thread::spawn(move || block_on(driver.run()));
        let comers = [0, 1].map(|comer| {
            let bus = bus.clone();
            thread::spawn(move || {
                let mut feed = bus.feed("*").unwrap();
                bus.emit(numbered(comer));
                let own = |number| number == Some(comer);
                while !own(block_on(feed.next()).unwrap().payload.number("number")) {}
            })
        });
        for comer in comers {
            comer.join().unwrap();
        }
        bus.stop();
        driving.join().unwrap();
        assert!(bus.dropped().is_empty());
    });
}
