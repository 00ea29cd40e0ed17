//! The order of starts, exactly, and how long it may leave anybody behind.

use std::collections::HashMap;

use proptest::prelude::*;
use zupa_core::ConversationId;

use super::*;
use Priority::{Person, Retry, Timer};

fn id(number: u128) -> ConversationId {
    ConversationId(uuid::Uuid::from_u128(number))
}

fn tenant(name: &str) -> Option<TenantId> {
    TenantId::parse(name).ok()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Takes so many at one moment, by their numbers.
fn taken(queue: &mut Queue, count: usize, now: Duration) -> Vec<u128> {
    let taken = (0..count).filter_map(|_| queue.pop(now));
    taken.map(|next| next.0.as_u128()).collect()
}

#[test]
fn of_a_dozen_starts_eight_three_and_one_go_to_the_three_priorities_evenly_spread() {
    let mut queue = Queue::default();
    for (priority, hundred) in [(Retry, 300), (Timer, 200), (Person, 100)] {
        for number in 0..24 {
            queue.push(priority, None, id(hundred + number), secs(0));
        }
    }
    let order = taken(&mut queue, 24, secs(1));
    let round = [1, 2, 1, 1, 3, 1, 2, 1, 1, 1, 2, 1];
    let priorities: Vec<_> = order.iter().map(|number| number / 100).collect();
    assert_eq!(priorities, [round, round].concat());
    let persons: Vec<_> = order.iter().filter(|number| **number < 200).collect();
    assert!(persons.is_sorted(), "first come, first served: {persons:?}");
}

#[test]
fn nothing_is_saved_up_while_nobody_waits() {
    let mut queue = Queue::default();
    for number in 0..100 {
        queue.push(Person, None, id(number), secs(0));
    }
    assert_eq!(taken(&mut queue, 50, secs(1)).len(), 50);
    for number in 200..203 {
        queue.push(Retry, None, id(number), secs(1));
    }
    // One place in a round of nine, since no timer waits, and not three at once for the
    // time before.
    let order = taken(&mut queue, 18, secs(1));
    let retries: Vec<_> = (0..order.len())
        .filter(|place| order[*place] >= 200)
        .collect();
    assert_eq!(retries.len(), 2, "{order:?}");
    assert_eq!(retries[1] - retries[0], 9, "{order:?}");
}

#[test]
fn tenants_take_turns_however_much_one_of_them_has() {
    let mut queue = Queue::default();
    for number in 0..5_000 {
        queue.push(Person, tenant("hot"), id(number), secs(0));
    }
    for number in [9_001, 9_002] {
        queue.push(Person, tenant("small"), id(number), secs(0));
    }
    queue.push(Person, None, id(9_003), secs(0));
    let order = taken(&mut queue, 8, secs(1));
    assert_eq!(order, [0, 9_001, 9_003, 1, 9_002, 2, 3, 4]);
    // Whoever comes later is not behind what was there before.
    queue.push(Person, tenant("small"), id(9_004), secs(1));
    assert_eq!(taken(&mut queue, 2, secs(1)), [5, 9_004]);
}

#[test]
fn what_has_waited_long_has_every_other_start_whatever_its_priority() {
    let mut queue = Queue::default();
    for number in 300..303 {
        queue.push(Retry, None, id(number), secs(0));
    }
    for number in 100..110 {
        queue.push(Person, None, id(number), secs(5));
    }
    assert_eq!(taken(&mut queue, 1, secs(9)), [100]);
    let order = taken(&mut queue, 6, AGED);
    assert_eq!(order, [300, 101, 301, 102, 302, 103]);
    // The persons themselves have not waited for so long.
    assert_eq!(taken(&mut queue, 2, AGED), [104, 105]);
}

#[test]
fn whoever_is_taken_out_is_not_started_and_holds_nobody_up() {
    let mut queue = Queue::default();
    let first = queue.push(Retry, tenant("red"), id(1), secs(0));
    queue.push(Retry, tenant("red"), id(2), secs(0));
    queue.remove(first);
    assert_eq!((queue.len(), queue.waiting(Retry)), (1, 1));
    assert_eq!(queue.oldest(Retry), Some(secs(0)));
    assert_eq!(taken(&mut queue, 2, secs(1)), [2]);
    assert!(queue.is_empty() && queue.oldest(Retry).is_none());
    // Nothing is left behind for names that never come again.
    assert!(queue.lines.iter().all(|line| line.tenants.is_empty()));
    assert!(queue.lines.iter().all(|line| line.ring.is_empty()));
}

/// What comes, and how much later than what was before; or a start.
#[derive(Debug, Clone)]
enum Step {
    Comes(Priority, u8),
    Starts,
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let priority = prop_oneof![6 => Just(Person), 2 => Just(Timer), 1 => Just(Retry)];
    let comes = (priority, 0..4_u8).prop_map(|(priority, tenant)| Step::Comes(priority, tenant));
    let step = prop_oneof![comes, Just(Step::Starts)];
    prop::collection::vec((step, 0..2_000_u64), 1..400)
}

/// What one that waits has lived through.
struct Life {
    priority: Priority,
    since: Duration,
    /// Once it has aged: how many had come before it, and starts since.
    aged: Option<(usize, usize)>,
}

proptest! {
    /// The bound: within twice as many starts as there are older ones, once it has aged.
    /// And no priority is passed over for more than two dozen starts.
    #[test]
    fn nobody_is_left_behind(steps in steps()) {
        let mut queue = Queue::default();
        let mut lives: HashMap<ConversationId, Life> = HashMap::new();
        let mut passed_over = [0; Priority::ALL.len()];
        let (mut now, mut born) = (Duration::ZERO, 0);
        for (step, later) in steps {
            now += Duration::from_millis(later);
            match step {
                Step::Comes(priority, whose) => {
                    born += 1;
                    let whose = tenant(&whose.to_string());
                    queue.push(priority, whose, id(born), now);
                    let life = Life { priority, since: now, aged: None };
                    lives.insert(id(born), life);
                }
                Step::Starts => {
                    let ages: Vec<_> = lives.keys().copied().collect();
                    for (conversation, life) in &mut lives {
                        let older = ages.iter().filter(|other| *other < conversation).count();
                        if now - life.since >= AGED && life.aged.is_none() {
                            life.aged = Some((older, 0));
                        }
                        if let Some((_, starts)) = &mut life.aged {
                            *starts += 1;
                        }
                    }
                    let started = queue.pop(now);
                    prop_assert_eq!(started.is_some(), !lives.is_empty());
                    let Some(started) = started else { continue };
                    for priority in Priority::ALL {
                        let waits = lives.values().any(|life| life.priority == priority);
                        let passed = &mut passed_over[priority as usize];
                        *passed = if waits { *passed + 1 } else { 0 };
                        prop_assert!(*passed <= 24, "{:?} was passed over", priority);
                    }
                    let life = lives.remove(&started).unwrap();
                    passed_over[life.priority as usize] = 0;
                    if let Some((older, starts)) = life.aged {
                        prop_assert!(starts <= 2 * (older + 1), "{} starts behind {}", starts, older);
                    }
                }
            }
            prop_assert_eq!(queue.len(), lives.len());
        }
        // Whoever still waits has not waited for too many starts either.
        for life in lives.values() {
            if let Some((older, starts)) = life.aged {
                prop_assert!(starts < 2 * (older + 1));
            }
        }
    }
}
