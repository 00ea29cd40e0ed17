//! What is stored: history, revision, timers, and who wins.

use super::*;
use crate::error::ErrorKind;
use crate::machine::TransitionError;

#[test]
fn history_keeps_the_newest_with_their_timestamps() {
    let machine = door().history(3).build().unwrap();
    let (mut snapshot, mut hand) = (machine.begin(at(0)), Hand::default());
    for second in 1..=5 {
        let event = if second % 2 == 1 {
            Act::Pull
        } else {
            Act::Push
        };
        machine
            .transition(&mut snapshot, event, &mut hand, at(second))
            .unwrap();
    }
    let kept: Vec<_> = snapshot
        .history()
        .map(|passage| (passage.revision, passage.at))
        .collect();
    assert_eq!(kept, [(3, at(3)), (4, at(4)), (5, at(5))]);
    let newest = snapshot.history().last().unwrap();
    assert_eq!(
        (newest.from, newest.event, newest.to),
        (Door::Closed, Act::Pull, Door::Open)
    );
    assert_eq!((snapshot.revision(), snapshot.since()), (5, at(5)));
}

#[test]
fn a_shorter_history_holds_for_a_snapshot_that_was_stored_with_a_longer_one() {
    let (long, short) = (built(), door().history(0).build().unwrap());
    let (mut snapshot, mut hand) = (long.begin(at(0)), Hand::default());
    long.transition(&mut snapshot, Act::Pull, &mut hand, at(1))
        .unwrap();
    assert_eq!(snapshot.history().len(), 1);
    let moved = short
        .transition(&mut snapshot, Act::Push, &mut hand, at(2))
        .unwrap();
    assert_eq!(snapshot.history().len(), 0);
    assert_eq!(
        moved.passage.revision, 2,
        "the ledger still gets every passage"
    );
}

#[test]
fn a_snapshot_goes_through_serde_unchanged() {
    let machine = built();
    let mut snapshot = machine.begin(at(0));
    machine
        .transition(&mut snapshot, Act::Pull, &mut Hand::default(), at(1))
        .unwrap();
    let stored = serde_json::to_string(&snapshot).unwrap();
    let mut read: Snapshot<Act> = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, snapshot);
    machine
        .transition(&mut read, Act::Push, &mut Hand::default(), at(2))
        .unwrap();
    assert_eq!((read.state(), read.revision()), (Door::Closed, 2));
}

#[test]
fn of_two_concurrent_transitions_one_wins_and_one_conflicts() {
    let machine = built();
    let mut stored = machine.begin(at(0));
    let (mut one, mut other) = (stored.clone(), stored.clone());
    machine
        .transition(&mut one, Act::Pull, &mut Hand::default(), at(1))
        .unwrap();
    machine
        .transition(&mut other, Act::Fire, &mut Hand::default(), at(1))
        .unwrap();

    stored.replace(0, one).unwrap();
    let conflict = stored.replace(0, other).unwrap_err();
    assert_eq!(
        conflict,
        TransitionError::Conflict {
            expected: 0,
            found: 1
        }
    );
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    assert_eq!(stored.state(), Door::Open);
}

#[test]
fn a_decision_taken_on_an_older_revision_changes_nothing() {
    let machine = built();
    let (mut snapshot, mut hand) = (machine.begin(at(0)), Hand::default());
    machine
        .apply(&mut snapshot, 0, Act::Pull, &mut hand, at(1))
        .unwrap();
    let before = (snapshot.clone(), hand.clone());
    let late = machine.apply(&mut snapshot, 0, Act::Fire, &mut hand, at(2));
    assert_eq!(
        late,
        Err(TransitionError::Conflict {
            expected: 0,
            found: 1
        })
    );
    assert_eq!((snapshot, hand), before);
}

#[test]
fn entering_a_state_with_a_timeout_yields_its_timer() {
    let machine = built();
    let (mut snapshot, mut hand) = (machine.begin(at(0)), Hand::default());
    assert_eq!(machine.timer(&snapshot), None);
    let moved = machine
        .transition(&mut snapshot, Act::Pull, &mut hand, at(10))
        .unwrap();
    let timer = moved.timer.unwrap();
    assert_eq!((timer.after, timer.event), (WIND, Act::Wind));
    assert_eq!((timer.due, timer.revision), (at(70), 1));

    let moved = machine
        .transition(&mut snapshot, Act::Push, &mut hand, at(20))
        .unwrap();
    assert_eq!(moved.timer, None);
}

#[test]
fn a_timer_is_found_again_after_a_restart_and_fires_once() {
    let machine = built();
    let (mut snapshot, mut hand) = (machine.begin(at(0)), Hand::default());
    let moved = machine
        .transition(&mut snapshot, Act::Pull, &mut hand, at(10))
        .unwrap();
    let stored = serde_json::to_string(&snapshot).unwrap();

    let mut read: Snapshot<Act> = serde_json::from_str(&stored).unwrap();
    let timer = machine.timer(&read).unwrap();
    assert_eq!(Some(timer), moved.timer);
    machine
        .apply(&mut read, timer.revision, timer.event, &mut hand, timer.due)
        .unwrap();
    assert_eq!(read.state(), Door::Ajar);
    let again = machine.apply(&mut read, timer.revision, timer.event, &mut hand, timer.due);
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_timer_that_came_too_late_conflicts() {
    let machine = built();
    let (mut snapshot, mut hand) = (machine.begin(at(0)), Hand::default());
    let moved = machine
        .transition(&mut snapshot, Act::Pull, &mut hand, at(1))
        .unwrap();
    machine
        .transition(&mut snapshot, Act::Pull, &mut hand, at(2))
        .unwrap();
    let timer = moved.timer.unwrap();
    let late = machine.apply(
        &mut snapshot,
        timer.revision,
        timer.event,
        &mut hand,
        timer.due,
    );
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(snapshot.state(), Door::Open);
}
