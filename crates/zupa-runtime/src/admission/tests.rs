//! When the doors close, and when they open again.

use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_gate_closes_above_its_limit_and_opens_below_four_fifths_of_it() {
    let mut gate = Gate::new(Reason::Memory, 0.9);
    let values = [0.5, 0.9, 0.91, 0.89, 0.75, 0.73, 0.71, 0.9, 0.95];
    let closed = values.map(|value| {
        gate.moves(Some(value));
        gate.closed
    });
    assert_eq!(
        closed,
        [false, false, true, true, true, true, false, false, true]
    );
    assert!(
        gate.moves(None) && !gate.closed,
        "what is not known closes nothing"
    );
}

#[test]
fn a_limit_of_nought_never_closes() {
    let mut gate = Gate::new(Reason::Cpu, 0.0);
    assert!(!gate.moves(Some(5.0)) && !gate.closed);
}

/// So many wait since the start, and so many have started.
fn saw(waiting: usize, started: u64) -> Measured {
    Measured {
        waiting,
        running: 10,
        oldest: (waiting > 0).then_some(Duration::ZERO),
        started,
    }
}

#[test]
fn a_first_look_at_a_queue_says_only_how_long_the_oldest_waits() {
    let mut pace = Pace::default();
    assert_eq!(pace.wait(&saw(0, 0), 10, secs(4)), Duration::ZERO);
    assert_eq!(pace.wait(&saw(100_000, 0), 10, secs(5)), secs(5));
    assert_eq!(pace.wait(&saw(100_000, 990), 10, secs(6)), secs(100));
}

#[test]
fn whoever_comes_now_would_wait_for_all_that_wait_at_the_present_pace() {
    let mut pace = Pace::default();
    // A hundred a second start, and four hundred more a second wait.
    let waits: Vec<_> = (0..=10)
        .map(|now| {
            let seen = saw(400 * now as usize, 100 * now);
            pace.wait(&seen, 10, secs(now)).as_secs()
        })
        .collect();
    assert_eq!(waits[..5], [0, 1, 7, 11, 15]);
    assert_eq!(waits[10], 39, "{waits:?}");
    // What was before the last ten seconds does not count: now nothing moves.
    let stuck: Vec<_> = (11..=21)
        .map(|now| pace.wait(&saw(400, 1_000), 10, secs(now)).as_secs())
        .collect();
    assert_eq!(stuck[10], 400, "{stuck:?}");
}

#[test]
fn slow_turns_of_few_are_no_queue() {
    let mut pace = Pace::default();
    // Four at once, each for six seconds: whoever waits now waits that long.
    for now in 0..6 {
        let wait = pace.wait(&saw(1, 0), 4, secs(now));
        assert!(wait <= secs(6), "{wait:?} after {now}");
    }
}

#[test]
fn a_queue_that_was_empty_begins_anew() {
    let mut pace = Pace::default();
    for now in 0..20 {
        pace.wait(&saw(0, 0), 10, secs(now));
    }
    // A burst after a quiet time is not measured by the quiet.
    let mut burst = saw(1_000, 50);
    burst.oldest = Some(secs(20));
    assert_eq!(pace.wait(&burst, 10, secs(20)), Duration::ZERO);
    burst.started = 540;
    assert_eq!(pace.wait(&burst, 10, secs(21)), secs(2));
}

#[test]
fn the_first_reason_is_told_and_each_opens_by_itself() {
    let backlog = Arc::new(AtomicU64::new(0));
    let settings = Settings {
        backlog: 10,
        ..Settings::default()
    };
    let admission = Admission::new(backlog.clone(), &settings);
    assert_eq!(admission.closed(), None);
    admission.set(Reason::Memory, true);
    admission.set(Reason::Queue, true);
    assert_eq!(admission.closed(), Some(Reason::Queue));
    backlog.store(10, Ordering::Relaxed);
    assert_eq!(admission.closed(), Some(Reason::Backlog));
    backlog.store(9, Ordering::Relaxed);
    admission.set(Reason::Queue, false);
    assert_eq!(admission.closed(), Some(Reason::Memory));
    admission.set(Reason::Memory, false);
    assert_eq!(admission.closed(), None);
    let error = Reason::Memory.error();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.retry(), Retry::After(COME_BACK));
    assert_eq!(Reason::Backlog.error().kind(), ErrorKind::Full);
}
