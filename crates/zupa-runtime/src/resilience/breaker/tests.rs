//! What a breaker promises, step by step and in a crowd. `tests/it/breaker_model.rs` holds
//! it against a model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use zupa_testkit::ManualClock;

use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn down() -> Result<()> {
    Err(Error::new(ErrorKind::Unavailable, "down"))
}

fn breaker(clock: &ManualClock) -> Breaker {
    let builder = Breaker::builder("b").clock(Arc::new(clock.clone()));
    builder.build().unwrap()
}

fn ends(breaker: &Breaker, answer: Result<()>) {
    breaker.permit().unwrap().answered(&answer);
}

fn opened(clock: &ManualClock) -> Breaker {
    let breaker = breaker(clock);
    for _ in 0..5 {
        ends(&breaker, down());
    }
    assert_eq!(breaker.metrics().state, BreakerState::Open);
    breaker
}

#[test]
fn it_opens_at_its_share_of_enough_calls_and_not_before() {
    let clock = ManualClock::default();
    let breaker = breaker(&clock);
    for _ in 0..4 {
        ends(&breaker, down());
    }
    assert_eq!(
        breaker.metrics().state,
        BreakerState::Closed,
        "4 of 5 calls"
    );
    clock.advance(secs(31));
    for _ in 0..8 {
        ends(&breaker, Ok(()));
    }
    for _ in 0..3 {
        ends(&breaker, down());
    }
    assert_eq!(breaker.metrics().state, BreakerState::Closed, "3 of 11");
    ends(&breaker, down());
    let metrics = breaker.metrics();
    assert_eq!(metrics.state, BreakerState::Open, "4 of 12");
    assert_eq!((metrics.recent_calls, metrics.recent_failures), (12, 4));
    assert_eq!(metrics.next_probe_in, Some(secs(60)));
    let refusal = breaker.permit().unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Unavailable);
    assert_eq!(refusal.retry(), Retry::After(secs(60)));
    assert_eq!(refusal.said_outcome(), Some(Outcome::NotApplied));
    assert_eq!(breaker.metrics().totals.refused, 1);
}

#[test]
fn an_error_about_the_input_is_no_failure_unless_the_test_says_so() {
    let clock = Arc::new(ManualClock::default());
    let lenient = Breaker::builder("b").clock(clock.clone()).build().unwrap();
    let strict = Breaker::builder("b").clock(clock).is_failure(|_| true);
    let strict = strict.build().unwrap();
    for _ in 0..5 {
        ends(&lenient, Err(Error::invalid("no such size")));
        ends(&strict, Err(Error::invalid("no such size")));
    }
    assert_eq!(lenient.metrics().state, BreakerState::Closed);
    assert_eq!(strict.metrics().state, BreakerState::Open);
}

#[test]
fn it_closes_when_all_probes_have_succeeded() {
    let clock = ManualClock::default();
    let breaker = opened(&clock);
    clock.advance(secs(59));
    assert!(breaker.permit().is_err());
    clock.advance(secs(1));
    for left in (0..3).rev() {
        ends(&breaker, Ok(()));
        let open = breaker.metrics().state != BreakerState::Closed;
        assert_eq!(open, left > 0);
    }
    assert_eq!(breaker.metrics().recent_calls, 0, "a new beginning");
}

#[test]
fn a_probe_that_fails_opens_it_for_another_while() {
    let clock = ManualClock::default();
    let breaker = opened(&clock);
    clock.advance(secs(60));
    ends(&breaker, Ok(()));
    ends(&breaker, down());
    assert_eq!(breaker.metrics().next_probe_in, Some(secs(60)));
    assert_eq!(breaker.metrics().totals.opened, 2);
}

#[test]
fn a_late_answer_of_an_older_state_does_not_count() {
    let clock = ManualClock::default();
    let breaker = breaker(&clock);
    let late: Vec<_> = (0..3).map(|_| breaker.permit().unwrap()).collect();
    for _ in 0..5 {
        ends(&breaker, down());
    }
    clock.advance(secs(60));
    let probes: Vec<_> = (0..3).map(|_| breaker.permit().unwrap()).collect();
    for (permit, answer) in late.into_iter().zip([Ok(()), down(), Ok(())]) {
        permit.answered(&answer);
    }
    assert_eq!(breaker.metrics().state, BreakerState::HalfOpen);
    assert!(breaker.permit().is_err(), "its probes are all out");
    assert_eq!(breaker.metrics().totals.late, 3);
    for probe in probes {
        probe.answered(&Ok(()));
    }
    assert_eq!(breaker.metrics().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_is_free_again_on_every_path() {
    let clock = ManualClock::default();
    let breaker = opened(&clock);
    clock.advance(secs(60));
    let held: Vec<_> = (0..2).map(|_| breaker.permit().unwrap()).collect();
    let full = || breaker.permit().is_err();

    let mut hangs = Box::pin(breaker.execute(std::future::pending::<Result<()>>()));
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(hangs.as_mut().poll(&mut nobody).is_pending());
    assert!(full());
    drop(hangs);
    let panics = AssertUnwindSafe(|| {
        let _permit = breaker.permit().unwrap();
        assert!(full());
        panic!("as the test wants it");
    });
    assert!(catch_unwind(panics).is_err());
    let last = breaker.permit().unwrap();
    assert!(full());
    drop((held, last));
    assert_eq!(breaker.metrics().totals.cancelled, 5);
    assert_eq!(breaker.metrics().state, BreakerState::HalfOpen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_callers_exactly_the_probes_reach_the_provider() {
    let clock = ManualClock::default();
    let breaker = opened(&clock);
    clock.advance(secs(60));
    let (reached, answers) = (
        Arc::new(AtomicU32::new(0)),
        tokio::sync::watch::Sender::new(false),
    );
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let (breaker, reached) = (breaker.clone(), reached.clone());
            let mut answered = answers.subscribe();
            tokio::spawn(async move {
                let call = async {
                    reached.fetch_add(1, Ordering::SeqCst);
                    let _ = answered.wait_for(|answered| *answered).await;
                    Ok(())
                };
                breaker.execute(call).await
            })
        })
        .collect();
    let mut refused = 0;
    let mut callers = callers;
    while refused < 997 {
        let (answer, _, rest) = futures_util::future::select_all(callers).await;
        assert!(answer.unwrap().is_err());
        refused += 1;
        callers = rest;
    }
    assert_eq!(reached.load(Ordering::SeqCst), 3);
    assert_eq!(breaker.metrics().state, BreakerState::HalfOpen);
    answers.send_replace(true);
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(reached.load(Ordering::SeqCst), 3);
    assert_eq!(breaker.metrics().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_a_failure() {
    let breaker = Breaker::builder("b").request_timeout(secs(2));
    let breaker = breaker.build().unwrap();
    let before = tokio::time::Instant::now();
    let answer = breaker.execute(std::future::pending::<Result<()>>()).await;
    let error = answer.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::Unknown)
    );
    assert_eq!(before.elapsed(), secs(2));
    assert_eq!(breaker.metrics().totals.failed, 1);
}

#[test]
fn by_hand_it_stays_open_until_it_is_closed_by_hand() {
    let clock = ManualClock::default();
    let breaker = breaker(&clock);
    breaker.open();
    clock.advance(secs(1_000_000));
    assert!(breaker.permit().is_err());
    assert_eq!(breaker.metrics().next_probe_in, None);
    breaker.close();
    ends(&breaker, Ok(()));
    assert_eq!(breaker.metrics().totals.refused, 1);
    breaker.reset();
    assert_eq!(breaker.metrics().totals, BreakerTotals::default());
}

#[test]
fn whoever_is_called_back_may_ask_the_breaker() {
    let clock = ManualClock::default();
    let told: Arc<Mutex<Vec<BreakerState>>> = Arc::default();
    let cell: Arc<std::sync::OnceLock<Breaker>> = Arc::default();
    let tell = || {
        let (told, cell) = (told.clone(), cell.clone());
        move || {
            let state = cell.get().unwrap().metrics().state;
            told.lock().unwrap().push(state);
        }
    };
    let breaker = Breaker::builder("b").clock(Arc::new(clock.clone()));
    let breaker = breaker.on_open(tell()).on_half_open(tell());
    let breaker = breaker.on_close(tell()).probes(1).build().unwrap();
    cell.set(breaker.clone()).unwrap();
    for _ in 0..5 {
        ends(&breaker, down());
    }
    clock.advance(secs(60));
    ends(&breaker, Ok(()));
    breaker.close();
    use BreakerState::{Closed, HalfOpen, Open};
    assert_eq!(*told.lock().unwrap(), [Open, HalfOpen, Closed]);
}

#[test]
fn what_makes_no_sense_is_refused_all_at_once() {
    let builder = Breaker::builder("b").failure_threshold_percent(101);
    let error = builder.probes(0).window(Duration::ZERO).build();
    let error = error.unwrap_err().to_string();
    for word in ["percent", "probes", "window"] {
        assert!(error.contains(word), "{error}");
    }
}
