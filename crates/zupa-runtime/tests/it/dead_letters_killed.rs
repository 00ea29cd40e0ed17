//! The process dies before and after every write of the store while messages exhaust, and
//! while they are tried again: all of them are in the dead letters, nobody else is, and
//! they leave only with their answer, for good.

use std::sync::Arc;

use zupa_core::{
    DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId, DeadLetterState,
    Deduplicates, Desk, ErrorKind, InboundState, IntakeBatch, Retry,
};
use zupa_testkit::{Call, Fault, FaultyStore};

use crate::support::{Act, Setup, act, error, inbound, life, secs};

/// One is terminal, one is tried again before it gives up, one comes in a burst with a
/// good one.
const BATCHES: [&[&str]; 3] = [
    &["ana: terminal"],
    &["bob: passing"],
    &["eve: good", "eve: bad"],
];
const DOOMED: [&str; 3] = ["ana: terminal", "bob: passing", "eve: bad"];

fn doomed() -> Setup {
    let mut setup = Setup::phone(Deduplicates::ByKey);
    setup.settings.policies.turn.retries = 1;
    let passing = error(ErrorKind::Internal).with_retry(Retry::Now);
    let terminal = error(ErrorKind::ContentFilter);
    setup.model.always("passing", Act::Fail(passing));
    for word in ["terminal", "bad"] {
        setup.model.always(word, Act::Fail(terminal.clone()));
    }
    setup
}

/// Lives until the fault strikes, or all is done; true if it has struck.
fn killed(setup: &Setup, (nth, fault): (u64, Fault), say: bool) -> bool {
    life(async {
        let store = Arc::new(FaultyStore::new(Arc::new(setup.memory.clone())));
        store.at_call_of(Call::Write, nth, fault);
        let process = async {
            let mut world = setup.try_start(store.clone()).await.unwrap();
            if say {
                accept(&world).await;
            }
            world.quiet().await;
            world.shutdown(secs(30)).await.unwrap();
        };
        tokio::select! {
            biased;
            () = store.crashed() => true,
            () = process => false,
        }
    })
}

/// What was not acknowledged is delivered again, so all is said in the end.
async fn accept(world: &crate::support::World) {
    for batch in BATCHES {
        let inbounds = batch.iter().map(|text| inbound(&text[..3], text, text));
        let batch = IntakeBatch {
            inbounds: inbounds.collect(),
            receipts: Vec::new(),
        };
        let _ = world.runtime().intake().deliver(batch).await;
    }
}

fn lives_on(setup: &Setup) {
    life(async {
        let mut world = setup.start().await;
        accept(&world).await;
        world.quiet().await;
        world.shutdown(secs(30)).await.unwrap();
    });
}

fn letters(setup: &Setup) -> Vec<(String, DeadLetter)> {
    life(async {
        let all = DeadLetterFilter::default();
        let letters = setup.memory.dead_letters(&all, None, 100).await.unwrap();
        let mut known = Vec::new();
        for letter in letters {
            let view = setup.memory.dead_letter(letter.id).await.unwrap().unwrap();
            known.push((view.content.unwrap().as_prompt_text(), letter));
        }
        known.sort_by(|one, other| one.0.cmp(&other.0));
        known
    })
}

fn texts(letters: &[(String, DeadLetter)]) -> Vec<&str> {
    letters.iter().map(|(text, _)| text.as_str()).collect()
}

fn redrive_all(setup: &Setup) {
    life(async {
        let world = setup.start().await;
        for letter in ids(setup).await {
            let entry = act(&world, "dead_letter.retried");
            let again = DeadLetterAct::Retry { confirmed: false };
            let acted = setup.memory.act_on_dead_letter(letter, again, entry).await;
            assert!(matches!(acted.unwrap(), DeadLetterActed::Done { .. }));
        }
    });
}

async fn ids(setup: &Setup) -> Vec<DeadLetterId> {
    let all = DeadLetterFilter::default();
    let letters = setup.memory.dead_letters(&all, None, 100).await.unwrap();
    letters.into_iter().map(|letter| letter.id).collect()
}

/// Where each message stands beside its dead letter.
fn leave_with_their_answer(setup: &Setup) {
    for (text, letter) in letters(setup) {
        let view = life(async { setup.view(&text).await });
        let state = view.inbounds[0].state;
        let expected = match state {
            InboundState::Answered => DeadLetterState::Done,
            InboundState::Dead => DeadLetterState::Pending,
            _ => DeadLetterState::Reprocessing,
        };
        assert_eq!(letter.state, expected, "{text} is {state:?}");
    }
}

fn points() -> impl Iterator<Item = (u64, Fault)> {
    (1..).flat_map(|nth| [(nth, Fault::CrashBefore), (nth, Fault::CrashAfter)])
}

#[test]
fn whoever_is_killed_while_messages_exhaust_leaves_a_dead_letter_of_each() {
    let (mut kills, mut untouched) = (0, 0);
    for point in points() {
        let setup = doomed();
        match killed(&setup, point.clone(), true) {
            true => (kills, untouched) = (kills + 1, 0),
            false => untouched += 1,
        }
        lives_on(&setup);
        let left = letters(&setup);
        assert_eq!(texts(&left), DOOMED, "{point:?}");
        let waits = |(_, letter): &(String, DeadLetter)| letter.state == DeadLetterState::Pending;
        assert!(left.iter().all(waits), "{point:?}: {left:?}");
        let counts = life(async { setup.accounting().await });
        assert!(counts.is_balanced(), "{point:?}: {counts:?}");
        assert_eq!((counts.ended["dead"], counts.ended["answered"]), (3, 1));
        if untouched == 2 {
            break;
        }
    }
    assert!(kills > 20, "{kills} kills");
}

#[test]
fn whoever_is_killed_while_they_are_tried_again_lets_them_leave_with_their_answer_only() {
    let (mut kills, mut untouched) = (0, 0);
    for point in points() {
        let mut setup = doomed();
        lives_on(&setup);
        setup.model = Setup::phone(Deduplicates::ByKey).model;
        redrive_all(&setup);
        match killed(&setup, point.clone(), false) {
            true => (kills, untouched) = (kills + 1, 0),
            false => untouched += 1,
        }
        leave_with_their_answer(&setup);
        for _ in 0..2 {
            lives_on(&setup);
            let left = letters(&setup);
            let done = |(_, letter): &(String, DeadLetter)| letter.state == DeadLetterState::Done;
            assert_eq!(texts(&left), DOOMED, "{point:?}");
            assert!(left.iter().all(done), "{point:?}: {left:?}");
        }
        for text in DOOMED {
            let answer = format!("re: {text}");
            let seen = setup.visible();
            let seen = seen.iter().filter(|said| **said == answer).count();
            assert_eq!(seen, 1, "{point:?}: {text}");
        }
        if untouched == 2 {
            break;
        }
    }
    assert!(kills > 6, "{kills} kills");
}
