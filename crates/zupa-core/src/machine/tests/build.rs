//! Every problem of a table is found, named, and reported with the others.

use super::*;
use crate::error::{Error, ErrorKind};
use crate::machine::Problem;

fn problems(builder: Builder<Hand, Act>) -> Vec<Problem<Act>> {
    builder.build().unwrap_err().problems
}

fn two_states() -> Builder<Hand, Act> {
    StateMachineRegistry::builder(Door::Closed)
        .states([Door::Closed, Door::Open])
        .on(Door::Closed, Act::Pull, Door::Open)
        .on(Door::Open, Act::Push, Door::Closed)
}

#[test]
fn a_sound_table_has_no_problem() {
    two_states().build().unwrap();
    door().build().unwrap();
}

#[test]
fn a_state_that_is_not_declared_is_named_with_its_line() {
    let unknown = |line| Problem::UnknownState {
        state: Door::Burnt,
        line,
    };
    let cases = [
        (
            two_states().on(Door::Open, Act::Fire, Door::Burnt),
            "a target",
        ),
        (
            two_states().on(Door::Burnt, Act::Fire, Door::Open),
            "a transition",
        ),
        (two_states().child(Door::Open, Door::Burnt), "a parent"),
        (two_states().child(Door::Burnt, Door::Open), "a child"),
        (
            two_states().on_entry(Door::Burnt, |_, _| {}),
            "an entry action",
        ),
        (
            two_states().on_exit(Door::Burnt, |_, _| {}),
            "an exit action",
        ),
        (two_states().finals([Door::Burnt]), "a final state"),
    ];
    for (builder, line) in cases {
        assert_eq!(problems(builder), [unknown(line)]);
    }
    let initial = StateMachineRegistry::builder(Door::Burnt);
    assert_eq!(problems(initial), [unknown("the initial state")]);
    let timeout = two_states().timeout(Door::Burnt, WIND, Act::Fire);
    assert!(problems(timeout).contains(&unknown("a timeout")));
}

#[test]
fn a_state_declared_twice_is_named() {
    let twice = two_states().states([Door::Open]);
    assert_eq!(
        problems(twice)[0],
        Problem::DeclaredTwice { state: Door::Open }
    );
}

#[test]
fn two_transitions_without_guards_for_one_event_are_named() {
    let rivals = two_states().on(Door::Closed, Act::Pull, Door::Closed);
    let expected = Problem::NeverTried {
        state: Door::Closed,
        event: Act::Pull,
        target: Door::Closed,
    };
    assert_eq!(problems(rivals), [expected]);
}

#[test]
fn a_guarded_transition_behind_an_unguarded_one_is_named() {
    let hidden = two_states().on_if(Door::Closed, Act::Pull, Door::Closed, |_, _| true);
    assert!(matches!(problems(hidden)[..], [Problem::NeverTried { .. }]));
}

#[test]
fn an_unreachable_state_is_named() {
    let island = two_states()
        .states([Door::Locked])
        .on(Door::Locked, Act::Turn, Door::Closed);
    assert_eq!(
        problems(island),
        [Problem::Unreachable {
            state: Door::Locked
        }]
    );
}

#[test]
fn a_state_behind_an_overridden_transition_is_unreachable() {
    let hidden = two_states()
        .states([Door::House, Door::Burnt])
        .child(Door::Closed, Door::House)
        .on(Door::House, Act::Pull, Door::Burnt)
        .finals([Door::Burnt]);
    assert_eq!(
        problems(hidden),
        [Problem::Unreachable { state: Door::Burnt }]
    );
}

#[test]
fn a_dead_end_that_is_not_final_is_named() {
    let trap = || {
        two_states()
            .states([Door::Burnt])
            .on(Door::Open, Act::Fire, Door::Burnt)
            .on(Door::Burnt, Act::Fire, Door::Burnt)
    };
    assert_eq!(problems(trap()), [Problem::DeadEnd { state: Door::Burnt }]);
    trap().finals([Door::Burnt]).build().unwrap();
}

#[test]
fn a_cycle_of_parents_is_named_once() {
    let cycle = two_states()
        .child(Door::Closed, Door::Open)
        .child(Door::Open, Door::Closed);
    let expected = Problem::ParentCycle {
        states: vec![Door::Closed, Door::Open],
    };
    assert_eq!(problems(cycle), [expected]);
    let own = two_states().child(Door::Open, Door::Open);
    let expected = Problem::ParentCycle {
        states: vec![Door::Open],
    };
    assert_eq!(problems(own), [expected]);
}

#[test]
fn a_second_parent_is_named() {
    let two = two_states()
        .states([Door::House])
        .child(Door::Open, Door::House)
        .child(Door::Open, Door::Closed);
    assert_eq!(problems(two), [Problem::TwoParents { state: Door::Open }]);
}

#[test]
fn a_timeout_that_finds_no_transition_or_a_second_one_is_named() {
    let unanswered = two_states().timeout(Door::Open, WIND, Act::Wind);
    let expected = Problem::TimeoutUnanswered {
        state: Door::Open,
        event: Act::Wind,
    };
    assert_eq!(problems(unanswered), [expected]);
    let twice =
        two_states()
            .timeout(Door::Open, WIND, Act::Push)
            .timeout(Door::Open, WIND * 2, Act::Push);
    assert_eq!(
        problems(twice),
        [Problem::TwoTimeouts { state: Door::Open }]
    );
}

#[test]
fn every_problem_is_reported_at_once_as_one_invalid_error() {
    let error = two_states()
        .states([Door::Locked])
        .on(Door::Closed, Act::Pull, Door::Ajar)
        .child(Door::Open, Door::Open)
        .build()
        .unwrap_err();
    let error = Error::from(error);
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let expected = "the state machine cannot be built: \
        a target names state Ajar, which is not declared; \
        state Closed has an earlier transition without guard for Pull, so the one to Ajar is never tried; \
        states [Open] are their own ancestors; \
        no transition leads to state Locked; \
        nothing leads away from state Locked, which is not final";
    assert_eq!(error.to_string(), expected);
}
