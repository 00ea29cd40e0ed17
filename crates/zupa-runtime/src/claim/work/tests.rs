//! What becomes of a conversation between hints, runs and times.

use super::*;

const WALL: Timestamp = Timestamp(1_000_000_000);

fn id(number: u128) -> ConversationId {
    ConversationId(uuid::Uuid::from_u128(number))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn due(number: u128, at: Timestamp) -> Due {
    Due {
        conversation: id(number),
        tenant: TenantId::default_tenant(),
        at,
    }
}

/// Starts all that waits.
fn drained(work: &mut Work, now: Duration) -> Vec<u128> {
    let next = std::iter::from_fn(|| work.start_next(now));
    next.map(|started| started.0.as_u128()).collect()
}

#[test]
fn a_conversation_waits_once_however_much_it_has_and_goes_behind_after_a_turn() {
    let (mut work, now) = (Work::default(), (WALL, secs(1)));
    for _ in 0..5_000 {
        work.offer(id(1), None, Priority::Person, secs(1));
    }
    work.offer(id(2), None, Priority::Person, secs(1));
    assert_eq!(work.waiting(), 2);
    assert_eq!(work.start_next(secs(1)), Some(id(1)));
    // A hint while it runs: there is more to look at after, behind the other.
    work.offer(id(1), None, Priority::Person, secs(1));
    work.ended(id(1), Next::Idle, now);
    assert_eq!(drained(&mut work, secs(1)), [2, 1]);
    work.ended(id(1), Next::Due(WALL), now);
    assert_eq!(drained(&mut work, secs(1)), [1]);
    work.ended(id(1), Next::Idle, now);
    work.ended(id(2), Next::Idle, now);
    assert!(work.nobody_waits() && work.known.is_empty());
}

#[test]
fn what_failed_is_tried_behind_what_people_say_unless_they_say_more_there() {
    let (mut work, now) = (Work::default(), (WALL, secs(1)));
    for number in 1..=3 {
        work.offer(id(number), None, Priority::Person, secs(1));
    }
    assert_eq!(drained(&mut work, secs(1)), [1, 2, 3]);
    // The place of a retry in this round goes by, since none waits yet.
    work.offer(id(7), None, Priority::Person, secs(1));
    assert_eq!(drained(&mut work, secs(1)), [7]);
    let later = WALL.plus(secs(2));
    for number in 1..=3 {
        work.ended(id(number), Next::Retry(later), now);
    }
    // The poll lists it as well, and does not know why it waits.
    work.listed(due(1, later), Priority::Person, now);
    assert_eq!(work.next_due(), Some(later));
    work.offer_those_due((later, secs(3)));
    // Or it finds it first.
    work.listed(due(2, later), Priority::Person, (later, secs(3)));
    for number in 4..=6 {
        work.offer(id(number), None, Priority::Person, secs(3));
    }
    assert_eq!(work.measure(Priority::Retry).waiting, 3);
    work.offer(id(3), None, Priority::Person, secs(4));
    assert_eq!(drained(&mut work, secs(4)), [4, 5, 6, 3, 1, 2]);
}

#[test]
fn what_the_store_lists_is_offered_once_and_at_its_time() {
    let (mut work, now) = (Work::default(), (WALL, secs(1)));
    let soon = WALL.plus(secs(1));
    for _ in 0..3 {
        work.listed(due(1, WALL), Priority::Timer, now);
        work.listed(due(2, soon), Priority::Person, now);
    }
    assert_eq!((work.waiting(), work.later.len()), (1, 1));
    work.offer_those_due(now);
    assert_eq!(drained(&mut work, secs(1)), [1]);
    work.offer_those_due((soon, secs(2)));
    assert_eq!(drained(&mut work, secs(2)), [2]);
    assert_eq!((work.next_due(), work.put_off.len()), (None, 0));
}

#[test]
fn a_time_that_was_set_anew_counts() {
    let (mut work, now) = (Work::default(), (WALL, secs(1)));
    let (sooner, later) = (WALL.plus(secs(1)), WALL.plus(secs(5)));
    work.offer(id(1), None, Priority::Person, secs(1));
    assert_eq!(work.start_next(secs(1)), Some(id(1)));
    work.ended(id(1), Next::Retry(sooner), now);
    // A hint brings it forth before, and it is put off again.
    work.offer(id(1), None, Priority::Person, secs(1));
    assert_eq!(work.start_next(secs(1)), Some(id(1)));
    work.ended(id(1), Next::Retry(later), now);
    work.offer_those_due((sooner, secs(2)));
    assert!(work.nobody_waits());
    work.offer_those_due((later, secs(6)));
    assert_eq!(drained(&mut work, secs(6)), [1]);
}

#[test]
fn what_waits_and_runs_is_measured() {
    let (mut work, now) = (Work::default(), (WALL, secs(3)));
    work.started(id(1), &TenantId::default_tenant());
    work.offer(id(2), None, Priority::Person, secs(1));
    work.offer(id(3), None, Priority::Person, secs(2));
    work.offer(id(4), None, Priority::Timer, secs(2));
    assert_eq!(work.start_next(secs(3)), Some(id(2)));
    let person = Measured {
        waiting: 1,
        running: 2,
        oldest: Some(secs(2)),
        started: 1,
    };
    assert_eq!(work.measure(Priority::Person), person);
    assert_eq!(work.measure(Priority::Timer).oldest, Some(secs(2)));
    assert_eq!(drained(&mut work, secs(3)), [4, 3]);
    for number in 1..=4 {
        work.ended(id(number), Next::Idle, now);
    }
    let nothing = |priority| {
        let measured = work.measure(priority);
        (measured.waiting, measured.running, measured.oldest) == (0, 0, None)
    };
    assert!(Priority::ALL.into_iter().all(nothing));
}

#[test]
fn a_turn_that_began_at_once_is_not_begun_again_and_its_end_is_its_own() {
    let (mut work, now) = (Work::default(), (WALL, secs(1)));
    let whose = TenantId::default_tenant();
    // The poll has listed it before `accept` could tell of the turn that it claimed.
    work.listed(due(1, WALL), Priority::Person, now);
    work.started(id(1), &whose);
    assert!(work.nobody_waits());
    // The next one of the same conversation may come before the end of this one.
    work.started(id(1), &whose);
    work.ended(id(1), Next::Idle, now);
    work.ended(id(1), Next::Due(WALL), now);
    assert_eq!(drained(&mut work, secs(1)), [1]);
    work.ended(id(1), Next::Idle, now);
    assert_eq!(work.measure(Priority::Person).running, 0);
    assert!(work.known.is_empty());
}
