//! The breaker between threads: a scheduler decides at each point between two of its
//! steps who goes on. Each step is one lock that nothing waits in; the points between them
//! are the clock that is read and the callbacks that are called, which are doubles here.

use std::sync::Arc;
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use shuttle::thread;
use zupa_core::{Clock, ErrorKind, Result, Timestamp};
use zupa_runtime::resilience::{Breaker, BreakerRules, BreakerState};

use crate::support::{error, secs};

const PROBES: u32 = 2;
const RULES: BreakerRules = BreakerRules {
    failure_percent: 50,
    minimum_calls: 2,
    window: Duration::from_secs(10),
    reset: Duration::from_secs(7),
    probes: PROBES,
};

/// Time in seconds, and a point at which others may go on behind each reading.
#[derive(Debug, Clone)]
struct Scheduled(Arc<AtomicU64>);

impl Clock for Scheduled {
    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        let now = self.0.load(Ordering::SeqCst);
        thread::yield_now();
        secs(now)
    }

    fn boot(&self) -> Duration {
        self.monotonic()
    }
}

impl Scheduled {
    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn breaker() -> (Breaker, Scheduled) {
    let clock = Scheduled(Arc::new(AtomicU64::new(0)));
    let breaker = Breaker::builder("b")
        .clock(Arc::new(clock.clone()))
        .rules(RULES)
        .on_open(thread::yield_now)
        .on_half_open(thread::yield_now)
        .on_close(thread::yield_now);
    (breaker.build().unwrap(), clock)
}

fn down() -> Result<()> {
    Err(error(ErrorKind::Unavailable))
}

/// Two failures open it.
fn opened() -> (Breaker, Scheduled) {
    let (breaker, clock) = breaker();
    for _ in 0..2 {
        breaker.permit().unwrap().answered(&down());
    }
    assert_eq!(breaker.metrics().state, BreakerState::Open);
    (breaker, clock)
}

/// Schedules: 100,000 with ZUPA_CASES=100000.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says how long"
)]
fn schedules() -> usize {
    let wanted = std::env::var("ZUPA_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(1_000)
}

fn check(run: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(run, schedules() / 2);
    shuttle::check_pct(run, schedules() / 2, 3);
}

/// Two calls of one thread, if they may be made: each ends well, badly, or not at all.
fn calls(breaker: &Breaker) -> u64 {
    let permits = (0..2).filter_map(|_| breaker.permit().ok());
    let ended = permits.map(|permit| {
        thread::yield_now();
        match thread_rng().gen_range(0..3) {
            0 => permit.answered(&down()),
            1 => drop(permit),
            _ => permit.answered(&Ok(())),
        }
    });
    ended.count() as u64
}

#[test]
fn no_more_probes_are_out_than_there_are() {
    check(|| {
        let (breaker, clock) = opened();
        clock.pass(7);
        // Failures would open it again, for as long as nobody moves the clock; successes
        // would close it and let everybody through.
        let out = Arc::new(AtomicU32::new(0));
        let threads = [0; 3].map(|_| {
            let (breaker, out) = (breaker.clone(), out.clone());
            thread::spawn(move || {
                let Ok(permit) = breaker.permit() else { return };
                assert!(out.fetch_add(1, Ordering::SeqCst) < PROBES);
                thread::yield_now();
                out.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(breaker.metrics().state, BreakerState::HalfOpen);
        // Every probe is free again.
        let probes = [0; PROBES as usize].map(|_| breaker.permit().unwrap());
        assert!(breaker.permit().is_err());
        for probe in probes {
            probe.answered(&Ok(()));
        }
        assert_eq!(breaker.metrics().state, BreakerState::Closed);
    });
}

#[test]
fn every_call_is_counted_once_whoever_turns_it_meanwhile() {
    check(|| {
        let (breaker, clock) = opened();
        let before = breaker.metrics().totals;
        let callers = [0; 3].map(|_| {
            let breaker = breaker.clone();
            thread::spawn(move || calls(&breaker))
        });
        let operator = {
            let (breaker, clock) = (breaker.clone(), clock.clone());
            thread::spawn(move || {
                clock.pass(7);
                breaker.close();
                clock.pass(8);
                breaker.open();
                breaker.close();
            })
        };
        let admitted: u64 = callers.map(|caller| caller.join().unwrap()).iter().sum();
        operator.join().unwrap();
        let after = breaker.metrics();
        let counted = after.totals;
        let ended = counted.succeeded + counted.failed + counted.cancelled + counted.late;
        let ended_before = before.succeeded + before.failed + before.cancelled + before.late;
        assert_eq!(ended - ended_before, admitted, "{after:?}");
        assert_eq!(counted.refused - before.refused, 6 - admitted, "{after:?}");
        // What is left of all that is a breaker that works.
        clock.pass(8);
        breaker.close();
        breaker.permit().unwrap().answered(&Ok(()));
        assert_eq!(breaker.metrics().state, BreakerState::Closed);
    });
}

/// An answer from before a change says nothing of the time after it.
#[test]
fn a_late_failure_opens_nothing() {
    check(|| {
        let (breaker, _clock) = breaker();
        let late = [breaker.permit().unwrap(), breaker.permit().unwrap()];
        let operator = {
            let breaker = breaker.clone();
            thread::spawn(move || {
                breaker.close();
                breaker.metrics().totals.opened
            })
        };
        let callers = late.map(|permit| thread::spawn(move || permit.answered(&down())));
        for caller in callers {
            caller.join().unwrap();
        }
        operator.join().unwrap();
        let seen = breaker.metrics();
        let (failed, late) = (seen.totals.failed, seen.totals.late);
        assert_eq!(failed + late, 2);
        // It opened if both came before, and the operator has closed it then; or it is
        // closed, because one of them came too late.
        assert_eq!(seen.state, BreakerState::Closed, "{seen:?}");
    });
}
