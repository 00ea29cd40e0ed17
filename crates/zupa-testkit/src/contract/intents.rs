//! Stop 3: an effect that matters is noted before it starts, and its note
//! becomes its result.

use zupa_core::store::{Batch, ClaimedTurn, Record, Recorded};
use zupa_core::{Digest, EffectClass, Step};

use super::Harness;
use super::world::path::{keys, record_of};
use super::world::{EXPIRY, World};

/// An entry of a journal, told apart by place.
fn entry(turn: &ClaimedTurn, ordinal: u32, key: &str, result: Option<&str>) -> Record {
    let record = record_of(turn, key, "null");
    Record {
        step: Step {
            ordinal,
            class: EffectClass::AtMostOnce,
            result: result.map(str::to_owned),
            ..record.step
        },
        ..record
    }
}

impl World<'_> {
    async fn note(&self, record: Record) -> Recorded {
        let batch = Batch {
            record: vec![record],
            ..self.batch()
        };
        self.write(batch).await.record.remove(0).unwrap()
    }
}

/// The place, the key and the result of each step that a claim handed out.
fn journal(turn: &ClaimedTurn) -> Vec<(u32, &str, Option<&str>)> {
    let steps = turn.steps.iter();
    steps
        .map(|step| (step.ordinal, step.key.as_str(), step.result.as_deref()))
        .collect()
}

/// An effect whose result was never recorded is handed to the next run as what
/// may have happened, with its class and what it was given.
pub async fn an_intent_without_a_result_survives_a_death(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let intent = entry(&turn, 0, "run_tools/1/0", None);
    assert_eq!(world.note(intent.clone()).await, Recorded::Written);
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!(again.steps, [intent.step]);
    assert!(again.steps[0].is_intent());

    let view = world.view(again.turn).await;
    assert_eq!(keys(&view), ["run_tools/1/0"]);
    assert!(!view.steps[0].has_result);
    assert_eq!(view.steps[0].class, EffectClass::AtMostOnce);
}

/// The result takes the place of its intent: one step, where the intent stood.
pub async fn a_result_fills_its_intent(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    world.note(entry(&turn, 0, "b", None)).await;
    world.note(entry(&turn, 1, "a", None)).await;
    world.note(entry(&turn, 0, "b", Some("1"))).await;
    world.pass(EXPIRY);
    let again = world.claim(conversation).await;
    assert_eq!(journal(&again), [(0, "b", Some("1")), (1, "a", None)]);
    assert_eq!(again.steps[0].class, EffectClass::AtMostOnce);
    let view = world.view(again.turn).await;
    let done: Vec<_> = view.steps.iter().map(|step| step.has_result).collect();
    assert_eq!(done, [true, false]);

    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    world.note(entry(&again, 1, "a", Some("2"))).await;
    let (world, _) = world.die().await;
    let last = world.claim(conversation).await;
    assert_eq!(journal(&last), [(0, "b", Some("1")), (1, "a", Some("2"))]);
}

/// An intent and its result in one batch are a result.
pub async fn an_intent_and_its_result_may_share_a_batch(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let batch = Batch {
        record: vec![
            entry(&turn, 0, "a", None),
            entry(&turn, 1, "b", None),
            entry(&turn, 0, "a", Some("1")),
        ],
        ..world.batch()
    };
    let answers = world.write(batch).await.record;
    assert!(
        answers
            .iter()
            .all(|answer| *answer.as_ref().unwrap() == Recorded::Written)
    );
    world.pass(EXPIRY);
    let again = world.claim(conversation).await;
    assert_eq!(journal(&again), [(0, "a", Some("1")), (1, "b", None)]);
}

/// A recorded effect is not executed again, so nothing takes its result away:
/// no intent and no other result for the same input.
pub async fn a_recorded_result_stays(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    world.note(entry(&turn, 0, "a", Some("1"))).await;
    for again in [None, Some("1"), Some("2")] {
        let answer = world.note(entry(&turn, 5, "a", again)).await;
        assert_eq!(answer, Recorded::Written, "{again:?}");
    }
    world.pass(EXPIRY);
    let again = world.claim(conversation).await;
    assert_eq!(journal(&again), [(0, "a", Some("1"))]);
}

/// An effect that was given something else is another effect under the same key:
/// the newer note counts, be it an intent.
pub async fn another_input_replaces_the_step(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    world.note(entry(&turn, 0, "a", Some("1"))).await;
    let mut other = entry(&turn, 2, "a", None);
    other.step.input = Digest::of(b"another");
    assert_eq!(world.note(other.clone()).await, Recorded::Written);
    world.pass(EXPIRY);
    assert_eq!(world.claim(conversation).await.steps, [other.step]);
}

/// Steps are handed out and shown in the order of the journal, not of their keys
/// or of their writing.
pub async fn steps_come_in_the_order_of_the_journal(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    for (ordinal, key) in [(1, "a"), (2, "c"), (0, "b"), (10, "d"), (9, "e")] {
        world.note(entry(&turn, ordinal, key, Some("1"))).await;
    }
    world.pass(EXPIRY);
    let again = world.claim(conversation).await;
    let order: Vec<_> = journal(&again).iter().map(|step| step.1).collect();
    assert_eq!(order, ["b", "a", "c", "e", "d"]);
    assert_eq!(keys(&world.view(turn.turn).await), order);
}

/// A run that lost its claim notes nothing, neither that something is about to
/// start nor that it happened.
pub async fn a_stale_run_can_note_nothing(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let stale = world.claim(conversation).await;
    world.note(entry(&stale, 0, "a", None)).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    for late in [
        entry(&stale, 0, "a", Some("1")),
        entry(&stale, 0, "a", None),
        entry(&stale, 1, "b", None),
    ] {
        assert_eq!(world.note(late).await, Recorded::Stale);
    }
    world.pass(EXPIRY);
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, again.runs), (turn.turn, 3));
    assert_eq!(journal(&again), [(0, "a", None)]);
}
