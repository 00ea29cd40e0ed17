//! One transition: guards, actions, errors, what is available.

use super::*;
use crate::error::{Error, ErrorKind};
use crate::machine::TransitionError;

#[test]
fn an_event_leads_to_its_target() {
    assert_eq!(run(Door::Closed, Act::Pull, Hand::default()).0, Door::Open);
}

#[test]
fn a_guard_decides() {
    assert_eq!(run(Door::Closed, Act::Turn, with_key()).0, Door::Locked);
    let (mut snapshot, mut hand) = (in_state(Door::Closed), Hand::default());
    let refused = built().transition(&mut snapshot, Act::Turn, &mut hand, at(1));
    let expected = TransitionError::Refused {
        state: Door::Closed,
        event: Act::Turn,
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn guards_are_asked_in_order_and_the_first_yes_wins() {
    let machine = StateMachineRegistry::<u32, Act>::builder(Door::Closed)
        .states([Door::Closed, Door::Locked, Door::Open, Door::Ajar])
        .on_if(Door::Closed, Act::Pull, Door::Open, |strength, _| {
            *strength > 5
        })
        .on_if(Door::Closed, Act::Pull, Door::Ajar, |strength, _| {
            *strength > 2
        })
        .on(Door::Closed, Act::Pull, Door::Locked)
        .finals([Door::Open, Door::Ajar, Door::Locked])
        .build()
        .unwrap();
    for (mut strength, target) in [(9, Door::Open), (3, Door::Ajar), (0, Door::Locked)] {
        let mut snapshot = machine.begin(at(0));
        let moved = machine.transition(&mut snapshot, Act::Pull, &mut strength, at(1));
        assert_eq!(moved.unwrap().passage.to, target);
    }
}

#[test]
fn an_invalid_transition_is_a_typed_error_and_changes_nothing() {
    for (state, event) in [
        (Door::Closed, Act::Push),
        (Door::Closed, Act::Turn),
        (Door::Burnt, Act::Fire),
    ] {
        let (mut snapshot, mut hand) = (in_state(state), Hand::default());
        let before = (snapshot.clone(), hand.clone());
        let error = built()
            .transition(&mut snapshot, event, &mut hand, at(1))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!((snapshot, hand), before);
    }
}

#[test]
fn an_error_names_state_and_event_and_becomes_one_of_ours() {
    let mut snapshot = in_state(Door::Closed);
    let error = built()
        .transition(&mut snapshot, Act::Push, &mut Hand::default(), at(1))
        .unwrap_err();
    let error = Error::from(error);
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "state Closed has no transition for Push");
}

#[test]
fn a_state_of_another_version_is_corrupt_and_not_invalid() {
    let machine = StateMachineRegistry::<Hand, Act>::builder(Door::Closed)
        .states([Door::Closed])
        .finals([Door::Closed])
        .build()
        .unwrap();
    let mut snapshot = in_state(Door::Ajar);
    let error = machine
        .transition(&mut snapshot, Act::Pull, &mut Hand::default(), at(1))
        .unwrap_err();
    assert_eq!(error, TransitionError::Unknown { state: Door::Ajar });
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn exit_actions_run_before_entry_actions_and_see_the_event() {
    let (_, log) = run(Door::Closed, Act::Pull, Hand::default());
    assert_eq!(log, ["out of Closed", "into Open"]);

    let machine = door()
        .on_exit(Door::Closed, |hand, event| {
            hand.log.push(format!("{event:?}"))
        })
        .build()
        .unwrap();
    let mut hand = Hand::default();
    machine
        .transition(&mut in_state(Door::Closed), Act::Pull, &mut hand, at(1))
        .unwrap();
    assert_eq!(hand.log, ["out of Closed", "Pull", "into Open"]);
}

#[test]
fn a_transition_to_itself_leaves_and_enters() {
    let (state, log) = run(Door::Open, Act::Pull, Hand::default());
    assert_eq!(state, Door::Open);
    assert_eq!(log, ["out of Open", "into Open"]);
}

#[test]
fn available_lists_what_would_be_accepted_guards_included() {
    let machine = built();
    let without = machine.available(Door::Closed, &Hand::default());
    assert_eq!(without, [Act::Pull, Act::Fire]);
    let with = machine.available(Door::Closed, &with_key());
    assert_eq!(with, [Act::Pull, Act::Turn, Act::Fire]);
    assert!(machine.can_transition(Door::Closed, Act::Turn, &with_key()));
    assert!(!machine.can_transition(Door::Closed, Act::Turn, &Hand::default()));
    assert!(machine.available(Door::Burnt, &with_key()).is_empty());
}

#[test]
fn definitions_are_the_table_as_it_was_written() {
    let machine = built();
    let definitions: Vec<_> = machine.definitions().collect();
    assert_eq!(definitions.len(), 9);
    assert_eq!(definitions[0].state, Door::House);
    assert!(definitions[2].guarded && !definitions[1].guarded);
    assert_eq!(machine.initial_state(), Door::Closed);
    assert_eq!(machine.states().len(), 6);
    assert!(machine.is_final(Door::Burnt) && !machine.is_final(Door::Open));
}
