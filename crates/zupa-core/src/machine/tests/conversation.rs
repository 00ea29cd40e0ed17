//! The conversation machine, walked to its end in every direction.

use std::collections::BTreeSet;

use ConversationEvent as On;
use ConversationState as In;

use super::*;
use crate::error::ErrorKind;
use crate::machine::ConversationMachine;
use crate::machine::conversation::{
    Answer, Config, ConversationEvent, ConversationState, Facts, GiveUp, Next, table,
};

/// Every state, and where each event that it accepts may lead. What is not
/// listed is an invalid transition.
const WALK: &[(&str, &str)] = &[
    (
        "idle",
        "start>awaiting_input message_received>processing_intent escalate>needs_human reset>idle",
    ),
    (
        "awaiting_input",
        "message_received>processing_intent user_cancelled>idle timeout>idle \
         fallback>error|fallback|needs_human escalate>needs_human reset>idle",
    ),
    (
        "processing_intent",
        "intent_recognized>agent_active agent_selected>agent_active \
         agent_failed>error|needs_human user_cancelled>idle timeout>error|fallback|needs_human \
         fallback>error|fallback|needs_human escalate>needs_human reset>idle",
    ),
    (
        "agent_active",
        "agent_selected>agent_active agent_completed>awaiting_confirmation|awaiting_input|completed \
         agent_failed>error|fallback|needs_human user_cancelled>idle timeout>error|fallback|needs_human \
         fallback>error|fallback|needs_human escalate>needs_human reset>idle",
    ),
    (
        "awaiting_confirmation",
        "message_received>awaiting_input|completed|processing_intent user_cancelled>idle timeout>idle \
         fallback>error|fallback|needs_human escalate>needs_human reset>idle",
    ),
    (
        "fallback",
        "message_received>processing_intent user_cancelled>idle timeout>idle \
         fallback>error|fallback|needs_human escalate>needs_human reset>idle",
    ),
    (
        "needs_human",
        "message_received>needs_human hand_back>awaiting_input reset>idle",
    ),
    (
        "completed",
        "start>awaiting_input message_received>processing_intent timeout>idle \
         escalate>needs_human reset>idle",
    ),
    (
        "error",
        "start>awaiting_input message_received>processing_intent timeout>idle \
         fallback>error|fallback|needs_human escalate>needs_human reset>idle",
    ),
];

fn machine(give_up: GiveUp) -> ConversationMachine {
    ConversationMachine::new(Config {
        give_up,
        ..Config::default()
    })
}

fn every_machine() -> [ConversationMachine; 2] {
    [machine(GiveUp::NeedsHuman), machine(GiveUp::Error)]
}

fn every_facts() -> Vec<Facts> {
    let mut all = Vec::new();
    for failures in [0, 2, 3, 4] {
        for answer in [Answer::Other, Answer::Yes, Answer::No] {
            for next in [Next::Confirm, Next::Listen, Next::Done] {
                all.push(Facts {
                    failures,
                    answer,
                    next,
                });
            }
        }
    }
    all
}

/// Where the events lead from `state` with these facts; panics on an error.
fn go(machine: &ConversationMachine, state: In, events: &[On], facts: &mut Facts) -> In {
    let mut snapshot = Snapshot::new(state, at(0));
    for event in events {
        machine
            .transition(&mut snapshot, *event, facts, at(1))
            .unwrap();
    }
    snapshot.state()
}

#[test]
fn the_table_passes_the_check_under_every_policy() {
    for give_up in [GiveUp::NeedsHuman, GiveUp::Error] {
        let config = Config {
            give_up,
            ..Config::default()
        };
        table(config).build().unwrap();
    }
}

#[test]
fn every_event_in_every_state_leads_where_the_walk_says_or_is_invalid() {
    let listed: Vec<_> = WALK.iter().map(|(state, _)| *state).collect();
    assert_eq!(listed, In::ALL.map(In::as_str));
    for (state, line) in WALK {
        let state = In::parse(state).unwrap();
        for event in On::ALL {
            let prefix = format!("{}>", event.as_str());
            let targets = line
                .split_whitespace()
                .find_map(|one| one.strip_prefix(&*prefix));
            let expected: BTreeSet<_> =
                targets.into_iter().flat_map(|all| all.split('|')).collect();
            assert_eq!(targets_of(state, event), expected, "{state:?} on {event:?}");
        }
    }
}

/// Where an event leads under every policy and with all facts. An error must be
/// the typed one and leave everything as it was.
fn targets_of(state: In, event: On) -> BTreeSet<&'static str> {
    let mut targets = BTreeSet::new();
    for machine in every_machine() {
        for facts in every_facts() {
            let (mut snapshot, mut after) = (Snapshot::new(state, at(0)), facts);
            let accepted = machine.can_transition(state, event, &facts);
            assert_eq!(accepted, machine.available(state, &facts).contains(&event));
            match machine.transition(&mut snapshot, event, &mut after, at(1)) {
                Ok(moved) => {
                    assert!(accepted);
                    assert_eq!(snapshot.state(), moved.passage.to);
                    targets.insert(moved.passage.to.as_str());
                }
                Err(error) => {
                    assert!(!accepted);
                    assert_eq!(error.kind(), ErrorKind::Invalid);
                    assert_eq!((snapshot, after), (Snapshot::new(state, at(0)), facts));
                }
            }
        }
    }
    targets
}

/// The states from which `goal` can be reached by these events, as found by
/// walking with all facts.
fn can_reach(goal: In, events: &[On]) -> BTreeSet<&'static str> {
    let mut reaching = BTreeSet::from([goal.as_str()]);
    for _ in In::ALL {
        for state in In::ALL {
            let mut next = events.iter().flat_map(|event| targets_of(state, *event));
            if next.any(|target| reaching.contains(target)) {
                reaching.insert(state.as_str());
            }
        }
    }
    reaching
}

#[test]
fn idle_can_be_reached_from_everywhere_even_without_reset() {
    let all = BTreeSet::from(In::ALL.map(In::as_str));
    assert_eq!(can_reach(In::Idle, &On::ALL), all);
    let without: Vec<_> = On::ALL
        .into_iter()
        .filter(|event| *event != On::Reset)
        .collect();
    assert_eq!(can_reach(In::Idle, &without), all);
}

#[test]
fn every_state_but_idle_and_needs_human_goes_on_by_its_timer() {
    for machine in every_machine() {
        for state in In::ALL {
            let snapshot = Snapshot::new(state, at(0));
            let is_quiet = matches!(state, In::Idle | In::NeedsHuman);
            let timer = machine.timer(&snapshot);
            assert_eq!(timer.is_none(), is_quiet, "{state:?}");
            for facts in every_facts() {
                let fires =
                    timer.is_none_or(|timer| machine.can_transition(state, timer.event, &facts));
                assert!(fires, "{state:?}");
            }
        }
    }
}

const OPENED: [On; 3] = [On::Start, On::MessageReceived, On::IntentRecognized];

#[test]
fn a_confirmation_tells_yes_from_no_from_anything_else() {
    let machine = ConversationMachine::default();
    for (answer, target) in [
        (Answer::Yes, In::Completed),
        (Answer::No, In::AwaitingInput),
        (Answer::Other, In::ProcessingIntent),
    ] {
        let mut facts = Facts::default();
        let asked = go(&machine, In::Idle, &OPENED, &mut facts);
        let asked = go(&machine, asked, &[On::AgentCompleted], &mut facts);
        assert_eq!(asked, In::AwaitingConfirmation);
        facts.answer = answer;
        assert_eq!(
            go(&machine, asked, &[On::MessageReceived], &mut facts),
            target
        );
    }
}

#[test]
fn an_old_yes_does_not_confirm_the_next_question() {
    let mut facts = Facts {
        answer: Answer::Yes,
        ..Facts::default()
    };
    let events = [On::AgentCompleted, On::MessageReceived];
    let state = go(
        &ConversationMachine::default(),
        In::AgentActive,
        &events,
        &mut facts,
    );
    assert_eq!(state, In::ProcessingIntent);
}

#[test]
fn what_one_agent_left_does_not_hold_for_the_next() {
    let mut facts = Facts {
        next: Next::Done,
        ..Facts::default()
    };
    let events = [On::MessageReceived, On::AgentSelected, On::AgentCompleted];
    let state = go(
        &ConversationMachine::default(),
        In::AwaitingInput,
        &events,
        &mut facts,
    );
    assert_eq!(state, In::AwaitingConfirmation);
}

#[test]
fn times_and_history_are_the_configured_ones() {
    let config = Config {
        wait: Duration::from_secs(7),
        work: Duration::from_secs(3),
        history: 1,
        ..Config::default()
    };
    let (machine, mut facts) = (ConversationMachine::new(config), Facts::default());
    let mut snapshot = machine.begin(at(0));
    for (event, seconds) in [(On::Start, 7), (On::MessageReceived, 3)] {
        let moved = machine
            .transition(&mut snapshot, event, &mut facts, at(10))
            .unwrap();
        assert_eq!(moved.timer.unwrap().due, at(10 + seconds));
        assert_eq!(snapshot.history().len(), 1);
    }
}

#[test]
fn what_the_agent_left_decides_what_follows() {
    let machine = ConversationMachine::default();
    for (next, target) in [
        (Next::Confirm, In::AwaitingConfirmation),
        (Next::Listen, In::AwaitingInput),
        (Next::Done, In::Completed),
    ] {
        let mut facts = Facts {
            next,
            ..Facts::default()
        };
        let state = go(&machine, In::AgentActive, &[On::AgentCompleted], &mut facts);
        assert_eq!(state, target);
    }
}

#[test]
fn the_fourth_failure_in_a_row_gives_up_as_the_policy_says() {
    for (give_up, target) in [
        (GiveUp::NeedsHuman, In::NeedsHuman),
        (GiveUp::Error, In::Error),
    ] {
        let (machine, mut facts) = (machine(give_up), Facts::default());
        let mut state = In::Idle;
        for failure in 1..=3 {
            state = go(
                &machine,
                state,
                &[On::MessageReceived, On::Fallback],
                &mut facts,
            );
            assert_eq!((state, facts.failures), (In::Fallback, failure));
        }
        state = go(&machine, state, &[On::MessageReceived], &mut facts);
        let events = [On::IntentRecognized, On::AgentFailed];
        assert_eq!(go(&machine, state, &events, &mut facts), target);
    }
}

#[test]
fn a_missing_agent_is_an_error_and_counts_as_a_failure() {
    let (machine, mut facts) = (ConversationMachine::default(), Facts::default());
    let missing = [On::MessageReceived, On::AgentFailed];
    let mut state = In::Idle;
    for failure in 1..=3 {
        state = go(&machine, state, &missing, &mut facts);
        assert_eq!((state, facts.failures), (In::Error, failure));
    }
    assert_eq!(go(&machine, state, &missing, &mut facts), In::NeedsHuman);
}

#[test]
fn success_forgives_the_failures_before_it() {
    let mut facts = Facts {
        failures: 3,
        ..Facts::default()
    };
    let machine = ConversationMachine::default();
    let state = go(&machine, In::AgentActive, &[On::AgentCompleted], &mut facts);
    assert_eq!((state, facts.failures), (In::AwaitingConfirmation, 0));
}

#[test]
fn a_human_keeps_the_conversation_until_handing_it_back() {
    let (machine, mut facts) = (ConversationMachine::default(), Facts::default());
    let events = [On::Escalate, On::MessageReceived, On::MessageReceived];
    assert_eq!(
        go(&machine, In::AgentActive, &events, &mut facts),
        In::NeedsHuman
    );
    assert_eq!(
        go(&machine, In::NeedsHuman, &[On::HandBack], &mut facts),
        In::AwaitingInput
    );
}

#[test]
fn words_are_the_same_in_serde_and_in_stores() {
    for state in In::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        assert_eq!(In::parse(state.as_str()), Some(state));
    }
    for event in On::ALL {
        assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        assert_eq!(On::parse(event.as_str()), Some(event));
    }
}
