//! Children inherit, override, and are entered and left inside their parents.

use super::*;

#[test]
fn a_child_inherits_the_transitions_of_its_ancestors() {
    for state in [Door::Closed, Door::Locked, Door::Open, Door::Ajar] {
        assert_eq!(run(state, Act::Fire, Hand::default()).0, Door::Burnt);
    }
}

#[test]
fn a_childs_own_transition_wins() {
    let (state, log) = run(Door::Ajar, Act::Push, with_key());
    assert_eq!(state, Door::Ajar);
    assert_eq!(log, ["out of Ajar", "into Ajar"]);
}

#[test]
fn when_the_childs_guards_refuse_the_parent_answers() {
    assert_eq!(run(Door::Ajar, Act::Push, Hand::default()).0, Door::Closed);
}

#[test]
fn leaving_goes_outwards_and_entering_goes_inwards() {
    let (_, log) = run(Door::Ajar, Act::Fire, Hand::default());
    let expected = ["out of Ajar", "out of Open", "out of House", "into Burnt"];
    assert_eq!(log, expected);

    let machine = door()
        .on(Door::Closed, Act::Wind, Door::Ajar)
        .build()
        .unwrap();
    let mut hand = Hand::default();
    machine
        .transition(&mut in_state(Door::Closed), Act::Wind, &mut hand, at(1))
        .unwrap();
    assert_eq!(hand.log, ["out of Closed", "into Open", "into Ajar"]);
}

#[test]
fn a_parent_that_stays_active_is_neither_left_nor_entered() {
    let (_, log) = run(Door::Open, Act::Wind, Hand::default());
    assert_eq!(log, ["into Ajar"]);
    let (_, log) = run(Door::Ajar, Act::Pull, Hand::default());
    assert_eq!(log, ["out of Ajar"]);
}

#[test]
fn available_joins_own_and_inherited_events_once_each() {
    let machine = built();
    let events = machine.available(Door::Ajar, &with_key());
    assert_eq!(events, [Act::Pull, Act::Push, Act::Wind, Act::Fire]);
    assert_eq!(machine.parent(Door::Ajar), Some(Door::Open));
    assert_eq!(machine.parent(Door::House), None);
}

#[test]
fn a_child_inherits_the_timeout_of_its_parent() {
    let machine = built();
    let timer = machine.timer(&in_state(Door::Ajar)).unwrap();
    assert_eq!((timer.after, timer.event), (WIND, Act::Wind));

    let own = door()
        .timeout(Door::Ajar, WIND * 2, Act::Push)
        .build()
        .unwrap();
    let timer = own.timer(&in_state(Door::Ajar)).unwrap();
    assert_eq!((timer.after, timer.event), (WIND * 2, Act::Push));
}
