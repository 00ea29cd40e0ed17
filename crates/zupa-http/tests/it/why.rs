//! One terminal reason per end, or what a message waits for.

use std::collections::BTreeSet;

use uuid::Uuid;
use zupa_core::desk::{DeliveryView, InboundView, StepView, TurnSummary, TurnView, WaitView};
use zupa_core::{
    ConversationId, DeliveryId, DeliveryState, EffectClass, Epoch, EventId, Hold, HoldKind,
    InboundState, Number, ReceiptLevel, Timestamp, TurnState, WaitId, WaitKind, WaitState,
};
use zupa_http::why;

use crate::fakes::{EVENT, turn};

fn view(of: InboundState, by: Option<TurnState>, reason: Option<&str>) -> TurnView {
    TurnView {
        turn: by.map(|state| TurnSummary {
            id: turn(1),
            state,
            first: Number(1),
            last: Number(1),
            epoch: Epoch(1),
            runs: 2,
            failures: 1,
            claimed_at: Timestamp(0),
            ended_at: None,
            not_before: Some(Timestamp(5_000_000)),
            reason: reason.map(str::to_owned),
        }),
        conversation: ConversationId(Uuid::from_u128(1)),
        inbounds: vec![InboundView {
            event: EVENT,
            number: Number(1),
            state: of,
            reason: reason.map(str::to_owned),
            accepted_at: Timestamp(0),
            duplicates: 0,
            request_id: None,
            trace_id: None,
        }],
        steps: Vec::new(),
        waits: Vec::new(),
        deliveries: Vec::new(),
        failures: Vec::new(),
        hold: None,
        audit: Vec::new(),
    }
}

#[test]
fn each_state_of_a_message_has_its_own_reason() {
    let mut codes = BTreeSet::new();
    for state in InboundState::ALL {
        let why = why(&view(state, None, Some("a reason")));
        assert_eq!(why.code, state.as_str());
        assert!(why.sentence.ends_with('.'), "{}", why.sentence);
        codes.insert(why.code);
    }
    assert_eq!(codes.len(), InboundState::ALL.len());
}

#[test]
fn each_state_of_a_turn_is_explained() {
    let check = |of, by, reason, code, sentence| {
        let why = why(&view(of, Some(by), reason));
        assert_eq!((why.code, why.sentence.as_str()), (code, sentence));
    };
    use InboundState::{Answered, Claimed, Dead, Queued, Silent};
    check(
        Claimed,
        TurnState::Running,
        None,
        "running",
        "It runs, start 2 of the turn claimed at 1970-01-01T00:00:00Z.",
    );
    check(
        Claimed,
        TurnState::Retry,
        Some("the model is away"),
        "retry",
        "It waits until 1970-01-01T00:00:05Z for another start, because: the model is away.",
    );
    check(
        Dead,
        TurnState::Dead,
        Some("context_length"),
        "dead",
        "It gave up after 2 starts and 1 failure, because: context_length.",
    );
    check(
        Silent,
        TurnState::Committed,
        Some("loop guard"),
        "silent",
        "The turn ended without a word, because: loop guard.",
    );
    check(
        Answered,
        TurnState::Committed,
        None,
        "answered",
        "It was answered.",
    );
    check(
        Queued,
        TurnState::Superseded,
        None,
        "superseded",
        "Its messages are tried again one by one.",
    );
}

#[test]
fn an_answer_says_where_its_messages_are() {
    let mut view = view(InboundState::Answered, Some(TurnState::Committed), None);
    for (ordinal, state) in [(0, DeliveryState::Sent), (1, DeliveryState::InDoubt)] {
        view.deliveries.push(DeliveryView {
            late: false,
            doubled: 0,
            id: DeliveryId {
                turn: turn(1),
                ordinal,
            },
            number: Number(2),
            state,
            reason: None,
            attempts: 1,
            receipt: ReceiptLevel::None,
            settled_at: None,
        });
    }
    assert_eq!(
        why(&view).sentence,
        "It was answered with 2 messages: 1 sent, 1 in doubt."
    );
}

#[test]
fn an_empty_view_is_no_panic() {
    let mut view = view(InboundState::Queued, None, None);
    view.inbounds.clear();
    assert_eq!(why(&view).code, "unknown");
}

#[test]
fn an_id_of_several_messages_names_them_and_none_of_their_ends() {
    let mut view = view(InboundState::Answered, None, None);
    let mut other = view.inbounds[0].clone();
    other.event = EventId(Uuid::from_u128(7));
    view.inbounds.push(other);
    let why = why(&view);
    assert_eq!(why.code, "ambiguous");
    for inbound in &view.inbounds {
        assert!(why.sentence.contains(&inbound.event.to_string()));
    }
}

/// A turn parked at second 1, with waits until second 5.
fn parked(waits: &[(WaitKind, WaitState, Option<&str>)]) -> TurnView {
    let mut view = view(InboundState::Answered, Some(TurnState::Parked), None);
    if let Some(turn) = &mut view.turn {
        turn.ended_at = Some(Timestamp(1_000_000));
    }
    let waits = waits.iter().enumerate().map(|(place, wait)| WaitView {
        id: WaitId(Uuid::from_u128(place as u128 + 1)),
        kind: wait.0,
        state: wait.1,
        expires_at: Some(Timestamp(5_000_000)),
        decided_by: wait.2.map(str::to_owned),
    });
    view.waits = waits.collect();
    view
}

#[test]
fn a_parked_turn_says_what_it_waits_for_since_when_and_who_can_end_it() {
    use WaitKind::{Decision, Reply, Timer};
    use WaitState::{Decided, Expired, Open};
    let check = |waits: &[_], code, sentence| {
        let why = why(&parked(waits));
        assert_eq!((why.code, why.sentence.as_str()), (code, sentence));
    };
    check(
        &[(Reply, Open, None)],
        "parked",
        "It waits for the person's answer since 1970-01-01T00:00:01Z, \
         until 1970-01-01T00:00:05Z at most.",
    );
    check(
        &[(Timer, Open, None)],
        "parked",
        "It waits since 1970-01-01T00:00:01Z for 1970-01-01T00:00:05Z.",
    );
    check(
        &[(Decision, Decided, Some("ana")), (Decision, Open, None)],
        "parked",
        "It waits for 1 decision of an operator since 1970-01-01T00:00:01Z, \
         until 1970-01-01T00:00:05Z at most: `zupa reviews show`, `approve` or `reject` \
         00000000-0000-0000-0000-000000000002.",
    );
    check(
        &[(Decision, Decided, Some("ana")), (Decision, Expired, None)],
        "resumed",
        "It waited, and another turn has gone on: decided by ana, nobody answered in time.",
    );
}

#[test]
fn an_effect_of_unknown_outcome_is_named() {
    let mut view = view(InboundState::Claimed, Some(TurnState::Retry), None);
    let step = |key: &str, class, has_result| StepView {
        key: key.to_owned(),
        class,
        has_result,
    };
    view.steps = vec![
        step("call_model/1/model", EffectClass::Pure, false),
        step("run_tools/1/0", EffectClass::Idempotent, true),
        step("run_tools/1/1", EffectClass::AtMostOnce, false),
    ];
    let sentence = why(&view).sentence;
    assert!(
        sentence.ends_with("start. May have happened: run_tools/1/1."),
        "{sentence}"
    );
}

#[test]
fn what_a_human_has_says_who_and_how_it_is_handed_back() {
    let hold = Hold {
        kind: HoldKind::Operator,
        by: "bea".into(),
        since: Timestamp(0),
        human_at: None,
    };
    for (state, turn) in [
        (InboundState::Queued, None),
        (InboundState::Claimed, Some(TurnState::Retry)),
    ] {
        let mut view = view(state, turn, None);
        view.hold = Some(hold.clone());
        let why = why(&view);
        assert_eq!(why.code, "held");
        assert_eq!(
            why.sentence,
            "It waits for the hand-back of its conversation (operator), which bea has since \
             1970-01-01T00:00:00Z: `zupa conversations release \
             00000000-0000-0000-0000-000000000001`."
        );
    }
    // A turn that runs is silenced, and says so when it has ended.
    let mut running = view(InboundState::Claimed, Some(TurnState::Running), None);
    running.hold = Some(hold);
    assert_eq!(why(&running).code, "running");
}

#[test]
fn what_a_human_has_answered_is_theirs_whatever_the_turn_came_to() {
    for turn in [
        None,
        Some(TurnState::Committed),
        Some(TurnState::Superseded),
        Some(TurnState::Parked),
    ] {
        let why = why(&view(InboundState::AnsweredByHuman, turn, None));
        assert_eq!(
            (why.code, why.sentence.as_str()),
            (
                "answered_by_human",
                "A human had the conversation and answered it."
            ),
            "{turn:?}"
        );
    }
}

#[test]
fn a_question_that_was_taken_back_leaves_an_answer() {
    let why = why(&parked(&[(WaitKind::Reply, WaitState::Cancelled, None)]));
    assert_eq!(why.code, "answered");
}
