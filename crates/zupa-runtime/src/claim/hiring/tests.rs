//! No more turns at once than are allowed, whatever is allowed from one moment to the
//! next.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

fn open(turns: usize) -> Hiring {
    let (hiring, _hired) = Hiring::closed(turns);
    hiring.open();
    hiring
}

#[derive(Debug, Clone)]
enum Step {
    Hires,
    Ends(usize),
    Sets(usize),
    /// Somebody waits for a permit and goes away.
    GivesUp,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Hires),
        3 => (0..16_usize).prop_map(Step::Ends),
        1 => (1..12_usize).prop_map(Step::Sets),
        1 => Just(Step::GivesUp),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn a_turn_starts_exactly_when_fewer_run_than_may(steps in steps()) {
        let hiring = open(4);
        let (mut running, mut turns, mut most) = (Vec::new(), 4, 4);
        for step in steps {
            match step {
                Step::Hires => {
                    let hired = hiring.try_hire();
                    prop_assert_eq!(hired.is_some(), running.len() < turns);
                    running.extend(hired);
                }
                Step::Ends(which) if !running.is_empty() => {
                    drop(running.swap_remove(which % running.len()));
                }
                Step::Ends(_) => {}
                Step::Sets(to) => {
                    // Never more than the larger of the old and the new.
                    most = turns.max(to).max(running.len());
                    hiring.set_turns(to);
                    turns = to;
                }
                Step::GivesUp => {
                    let mut hiring = Box::pin(hiring.hire());
                    drop(hiring.as_mut().now_or_never());
                }
            }
            prop_assert!(running.len() <= most);
        }
        running.clear();
        running.extend(std::iter::from_fn(|| hiring.try_hire()));
        prop_assert_eq!(running.len(), turns, "none was lost, none was won");
    }
}

#[tokio::test]
async fn whoever_waits_starts_as_soon_as_there_are_more_and_not_while_there_are_fewer() {
    let hiring = open(2);
    let (first, second) = (hiring.hire().await, hiring.hire().await);
    let mut waits = Box::pin(hiring.hire());
    assert!(waits.as_mut().now_or_never().is_none());
    hiring.set_turns(1);
    drop(first);
    assert!(waits.as_mut().now_or_never().is_none(), "one still runs");
    hiring.set_turns(2);
    let third = waits.await;
    assert!(third.is_some() && hiring.try_hire().is_none());
    drop(second);
    assert!(hiring.try_hire().is_some());
}

#[tokio::test]
async fn whoever_runs_alone_has_nobody_beside_whatever_is_set_meanwhile() {
    let hiring = open(2);
    let running = hiring.hire().await;
    let mut alone = Box::pin(hiring.hire_all());
    assert!(alone.as_mut().now_or_never().is_none());
    assert!(hiring.try_hire().is_none(), "nobody starts while it waits");
    hiring.set_turns(1);
    hiring.set_turns(5);
    assert!(hiring.try_hire().is_none());
    drop(running);
    let alone = alone.await;
    assert!(hiring.try_hire().is_none() && hiring.hire().now_or_never().is_none());
    drop(alone);
    let all: Vec<_> = std::iter::from_fn(|| hiring.try_hire()).collect();
    assert_eq!(all.len(), 5);
}

#[test]
fn what_is_set_before_the_start_counts_from_the_start() {
    let (hiring, _hired) = Hiring::closed(4);
    hiring.set_turns(2);
    assert!(hiring.try_hire().is_none(), "not yet");
    hiring.open();
    let all: Vec<_> = std::iter::from_fn(|| hiring.try_hire()).collect();
    assert_eq!((all.len(), hiring.turns()), (2, 2));
    hiring.set_turns(0);
    assert_eq!(hiring.turns(), 1, "at least one");
}

/// The same on several threads, where starts and ends overlap; panics give back, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_never_run_more_than_may_and_lose_no_permit() {
    let hiring = open(8);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for number in 0..2_000 {
        let (hiring, running, most) = (hiring.clone(), running.clone(), most.clone());
        tasks.push(tokio::spawn(async move {
            if number % 100 == 0 {
                hiring.set_turns(1 + number / 100 % 8);
            }
            let permit = hiring.hire().await;
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            assert!(number % 7 != 0, "a turn may panic");
            drop(permit);
        }));
    }
    for task in tasks {
        let _ = task.await;
    }
    assert!(most.load(Ordering::SeqCst) <= 8);
    hiring.set_turns(8);
    let all: Vec<_> = std::iter::from_fn(|| hiring.try_hire()).collect();
    assert_eq!(all.len(), 8);
}
