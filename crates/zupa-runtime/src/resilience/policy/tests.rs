//! Delays, deadlines and what is tried again at all, in paused time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;
use zupa_testkit::{SeqIds, TokioClock};

use super::super::{Backoff, BreakerRules, BreakerState, Jitter};
use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn policy(rules: CallPolicy) -> Policy {
    let clock = Arc::new(TokioClock::default());
    Policy::new(
        "p",
        rules,
        Error::is_about_provider,
        clock,
        Arc::new(SeqIds::default()),
    )
    .unwrap()
}

/// Long enough for all waits, and none of them left to chance.
fn patient() -> CallPolicy {
    CallPolicy {
        total_timeout: Some(secs(1_000)),
        retries: 6,
        backoff: Backoff {
            jitter: Jitter::Ratio(0.0),
            ..Backoff::default()
        },
        breaker: None,
        ..CallPolicy::of(secs(10))
    }
}

fn safe() -> Call<'static> {
    Call::within(Repeat::Safe, secs(1_000))
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "down").with_retry(Retry::Now)
}

/// Makes a call that fails like this each time; answers when it was tried, and how it
/// ended.
async fn tries(
    policy: &Policy,
    call: Call<'_>,
    fails: impl Fn(usize) -> Error,
) -> (Vec<u64>, Error) {
    let (began, at) = (Instant::now(), Mutex::new(Vec::new()));
    let answer = policy
        .call(call, |_| {
            let mut at = at.lock().unwrap();
            at.push(began.elapsed().as_millis() as u64);
            let error = fails(at.len());
            async { Err::<(), _>(error) }
        })
        .await;
    (at.into_inner().unwrap(), answer.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_the_cap_and_end_exhausted() {
    let (at, error) = tries(&policy(patient()), safe(), |_| down()).await;
    assert_eq!(at, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000]);
    assert_eq!(error.retry(), Retry::Exhausted);
}

#[tokio::test(start_paused = true)]
async fn full_jitter_comes_from_the_ids_and_stays_below_the_whole() {
    let rules = CallPolicy {
        backoff: Backoff::default(),
        ..patient()
    };
    let (at, _) = tries(&policy(rules.clone()), safe(), |_| down()).await;
    let again = tries(&policy(rules), safe(), |_| down()).await.0;
    assert_eq!(at, again, "the same ids, the same waits");
    let waits: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, whole) in waits
        .iter()
        .zip([1_000, 2_000, 4_000, 8_000, 16_000, 30_000])
    {
        assert!(*wait <= whole + 1, "{waits:?}");
    }
    assert_ne!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
}

#[tokio::test(start_paused = true)]
async fn only_what_may_pass_and_may_be_repeated_is_tried_again() {
    let unknown = || down().with_outcome(Outcome::Unknown);
    let applied = || down().with_outcome(Outcome::Applied);
    let never = || down().with_retry(Retry::Never);
    let count = async |repeat, error: &(dyn Fn() -> Error + Sync)| {
        let call = Call::within(repeat, secs(1_000));
        let (at, last) = tries(&policy(patient()), call, |_| error()).await;
        if at.len() == 1 {
            assert_eq!(last.retry(), error().retry(), "unchanged");
        }
        at.len()
    };
    assert_eq!(count(Repeat::Safe, &down).await, 7);
    assert_eq!(count(Repeat::Safe, &unknown).await, 7);
    assert_eq!(count(Repeat::Safe, &applied).await, 1);
    assert_eq!(count(Repeat::Safe, &never).await, 1);
    assert_eq!(count(Repeat::Never, &down).await, 1);
    assert_eq!(count(Repeat::Never, &unknown).await, 1);
    for (class, repeat) in [
        (EffectClass::Pure, Repeat::Safe),
        (EffectClass::Idempotent, Repeat::Safe),
        (EffectClass::Reconcile, Repeat::Never),
        (EffectClass::AtMostOnce, Repeat::Never),
    ] {
        assert_eq!(Repeat::from(class), repeat);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_asked_before_its_time_nor_beyond_the_deadline() {
    let slow_down = |tried| {
        let asked = if tried == 1 { secs(20) } else { secs(90) };
        down().with_retry(Retry::After(asked))
    };
    let call = Call::within(Repeat::Safe, secs(60));
    let (at, error) = tries(&policy(patient()), call, slow_down).await;
    assert_eq!(at, [0, 20_000]);
    assert_eq!(error.retry(), Retry::Exhausted);
    assert!(
        Instant::now().elapsed().is_zero(),
        "nobody waits for the 90 s"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_is_in_a_hurry_gets_the_error_with_its_own_retry() {
    let call = Call {
        patience: Some(secs(2)),
        ..safe()
    };
    let (at, error) = tries(&policy(patient()), call, |_| down()).await;
    assert_eq!(at, [0, 1_000]);
    assert_eq!(error.retry(), Retry::Now);
    let asked = Retry::After(secs(5));
    let (at, error) = tries(&policy(patient()), call, |_| down().with_retry(asked)).await;
    assert_eq!((at.len(), error.retry()), (1, asked));
    let stops = Call {
        may_go_on: &|| false,
        ..safe()
    };
    let (at, _) = tries(&policy(patient()), stops, |_| down()).await;
    assert_eq!(at.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_try_and_all_together_end_in_time_and_are_dropped() {
    let running = Arc::new(AtomicU32::new(0));
    struct Running(Arc<AtomicU32>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let rules = CallPolicy {
        total_timeout: Some(secs(25)),
        ..patient()
    };
    let (began, at) = (Instant::now(), Mutex::new(Vec::new()));
    let answer: Result<()> = policy(rules)
        .call(safe(), |time| {
            at.lock().unwrap().push(time.as_secs());
            running.fetch_add(1, Ordering::SeqCst);
            let running = Running(running.clone());
            async move {
                let _running = running;
                std::future::pending().await
            }
        })
        .await;
    let error = answer.unwrap_err();
    // 10 s, 1 s of waiting, 10 s, 2 s of waiting, and what is left.
    assert_eq!(*at.lock().unwrap(), [10, 10, 2]);
    assert_eq!(began.elapsed(), secs(25));
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::Unknown)
    );
    assert_eq!(running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn without_time_no_call_begins() {
    let call = Call::within(Repeat::Safe, Duration::ZERO);
    let (at, error) = tries(&policy(patient()), call, |_| down()).await;
    assert!(at.is_empty());
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotApplied)
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_stays_unknown_whatever_a_later_try_says() {
    let fails = |tried| match tried {
        1 => down().with_outcome(Outcome::Unknown),
        _ => Error::invalid("no").with_outcome(Outcome::NotApplied),
    };
    let (at, error) = tries(&policy(patient()), safe(), fails).await;
    assert_eq!((at.len(), error.outcome()), (2, Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_that_fail_make_a_tenth_more() {
    let policy = policy(CallPolicy {
        backoff: Backoff {
            base: Duration::from_micros(1),
            ..patient().backoff
        },
        ..patient()
    });
    let mut made = 0;
    for _ in 0..10_000 {
        made += tries(&policy, safe(), |_| down()).await.0.len();
    }
    assert!((10_500..=11_000).contains(&made), "{made}");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_answers_at_once_and_ends_the_tries_of_others() {
    let policy = policy(CallPolicy {
        breaker: Some(BreakerRules::default()),
        ..patient()
    });
    let (at, error) = tries(&policy, safe(), |_| down().with_outcome(Outcome::Unknown)).await;
    // The fifth failure opens it; the sixth try is refused, and the last error stands.
    assert_eq!(at, [0, 1_000, 3_000, 7_000, 15_000]);
    assert_eq!(
        policy.breaker().unwrap().metrics().state,
        BreakerState::Open
    );
    assert_eq!(error.message(), "down");
    assert_eq!(
        (error.retry(), error.outcome()),
        (Retry::After(secs(44)), Outcome::Unknown)
    );
    let (at, error) = tries(&policy, safe(), |_| down()).await;
    assert!(at.is_empty());
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Unavailable, Outcome::NotApplied)
    );
    assert_eq!(error.retry(), Retry::After(secs(44)));
    tokio::time::sleep(secs(44)).await;
    let well = policy.call(safe(), |_| async { Ok(()) }).await;
    assert!(well.is_ok());
}
