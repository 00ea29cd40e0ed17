//! A conversation handed back to its agent: what a human has answered is not answered
//! again, and what nobody has answered is.

use zupa_core::desk::{Holding, Releasing};
use zupa_core::store::{Batch, ClaimMode, ClaimOutcome, ClaimedTurn, Finished, TurnEnd};
use zupa_core::{
    ConversationId, DeliveryState, EffectClass, HoldKind, InboundState, TurnState, WaitKind,
};

use super::Harness;
use super::world::path::{answered, failure, record_of, texts};
use super::world::waits::{MINUTE, handed};
use super::world::{World, count};

/// The hand-back ends what a human has answered, and leaves what came later.
pub async fn a_hand_back_answers_no_backlog(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "q1").await;
    world.hold(conversation).await;
    world.hear("ana", "q2").await;
    let until = world.now;
    world.pass(MINUTE);
    world.hear("ana", "q3").await;
    let Releasing::Done { answered, due_at } = world.release(conversation, Some(until)).await
    else {
        panic!("it was held");
    };
    assert_eq!(answered, 2);
    assert!(due_at.is_some_and(|at| at <= world.now));
    let counts = world.counts().await;
    assert_eq!(count(&counts.ended, "answered_by_human"), 2);
    assert_eq!(world.store.backlog().await.unwrap(), 1);
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["q3"]);
    world.answer(&turn, "a3").await;
    assert!(world.due().await.is_empty());

    // Nothing is left where everything was answered.
    world.hold(conversation).await;
    world.hear("ana", "q4").await;
    let released = world.release(conversation, Some(world.now)).await;
    let (answered, due_at) = (1, None);
    assert_eq!(released, Releasing::Done { answered, due_at });
    let nothing = world.try_claim(conversation).await;
    assert!(matches!(nothing, ClaimOutcome::Nothing));
}

/// The human's own words count as well as the hand-back's, the later of them; a hold
/// on top of a hold only moves them up.
pub async fn the_humans_last_word_is_the_line(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "q1").await;
    let began = world.now;
    world.hold_with(conversation, Some(world.now)).await;
    world.pass(MINUTE);
    world.hear("ana", "q2").await;
    let spoke = world.now;
    let entries = world.desk.audit(conversation).await.unwrap().len();
    for human_at in [Some(spoke), Some(began), None] {
        let Holding::Already(hold) = world.hold_with(conversation, human_at).await else {
            panic!("it was held");
        };
        assert_eq!(hold.human_at, Some(spoke));
        assert_eq!((hold.kind, hold.since), (HoldKind::Operator, began));
        assert_eq!(hold.by, "operator ana");
    }
    assert_eq!(world.desk.audit(conversation).await.unwrap().len(), entries);
    world.pass(MINUTE);
    world.hear("ana", "q3").await;
    let Releasing::Done { answered, .. } = world.release(conversation, Some(began)).await else {
        panic!("it was held");
    };
    assert_eq!(answered, 2);
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["q3"]);
}

/// A turn that waited for its retry is over when a human has answered what it is
/// about.
pub async fn a_hand_back_ends_a_turn_that_waits_to_run_again(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, turn) = waits_to_run_again(&world, EffectClass::Pure).await;
    world.hold(conversation).await;
    world.hear("ana", "r").await;
    let released = world.release(conversation, Some(world.now)).await;
    let (answered, due_at) = (2, None);
    assert_eq!(released, Releasing::Done { answered, due_at });
    let view = world.view(turn.turn).await;
    assert_eq!(view.turn.unwrap().state, TurnState::Superseded);
    assert_eq!(view.inbounds[0].state, InboundState::AnsweredByHuman);
    assert!(world.history(conversation).await.is_empty());
    world.hear("ana", "s").await;
    let next = world.claim(conversation).await;
    assert_eq!(texts(&next), ["s"]);
    assert_ne!(next.turn, turn.turn);
}

/// Without a word of the human's it runs again, and answers.
pub async fn a_hand_back_without_a_word_leaves_the_turn_to_run(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, turn) = waits_to_run_again(&world, EffectClass::Pure).await;
    world.hold(conversation).await;
    world.release(conversation, None).await;
    world.pass(MINUTE);
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, again.runs), (turn.turn, 2));
    let end = TurnEnd::Commit(answered(&[("a", DeliveryState::Sent)]));
    let finished = world.end_anew(&again, end).await;
    assert!(matches!(finished, Finished::Done { held: false, .. }));
    assert_eq!(world.history(conversation).await.len(), 2);
}

/// What nobody has said cannot have been answered: the turn that an operator's decision
/// has woken runs again, and is heard.
pub async fn a_hand_back_leaves_what_nobody_has_said(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let review = world.wait_for(WaitKind::Decision);
    let conversation = world.park("ana", vec![review.clone()]).await.conversation;
    assert!(world.approve(review.id).await);
    let turn = world.claim(conversation).await;
    let end = TurnEnd::Retry {
        not_before: world.after(30),
        failure: failure(),
    };
    world.end(&turn, end).await;
    world.hold(conversation).await;
    let released = world.release(conversation, Some(world.now)).await;
    assert!(
        matches!(released, Releasing::Done { answered: 0, .. }),
        "was {released:?}"
    );
    world.pass(MINUTE);
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, handed(&again)), (turn.turn, vec![review.id]));
    let end = TurnEnd::Commit(answered(&[("done", DeliveryState::Sent)]));
    let finished = world.end_anew(&again, end).await;
    assert!(matches!(finished, Finished::Done { held: false, .. }));
}

/// What has begun to matter goes on to its end, in silence: so does a turn that runs
/// at the hand-back.
pub async fn what_has_begun_ends_in_silence(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, turn) = waits_to_run_again(&world, EffectClass::AtMostOnce).await;
    world.hold(conversation).await;
    let released = world.release(conversation, Some(world.now)).await;
    assert!(matches!(released, Releasing::Done { answered: 0, .. }));
    world.pass(MINUTE);
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, again.steps.len()), (turn.turn, 1));
    silent_end(&world, &again).await;

    let conversation = world.hear("bob", "q").await;
    let running = world.claim(conversation).await;
    world.hold(conversation).await;
    world.release(conversation, Some(world.now)).await;
    world.say_aside(&running, "k1", &["wait"]).await;
    silent_end(&world, &running).await;
    // It was that turn alone.
    world.hear("bob", "r").await;
    let next = world.claim(conversation).await;
    world.answer(&next, "a").await;
    assert_eq!(world.history(conversation).await.len(), 2);
}

/// What a human has answered is not answered part by part either, where the turn that
/// was about it is divided.
pub async fn the_parts_of_a_silenced_turn_are_silent(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "one").await;
    world.hear("ana", "two").await;
    let turn = world.claim(conversation).await;
    world.hold(conversation).await;
    world.release(conversation, Some(world.now)).await;
    let split = TurnEnd::Split { failure: failure() };
    let finished = world.end_anew(&turn, split).await;
    assert!(
        matches!(finished, Finished::Done { due_at: None, .. }),
        "{finished:?}"
    );
    assert!(world.due().await.is_empty());
    assert_eq!(count(&world.counts().await.ended, "answered_by_human"), 2);
    world.hear("ana", "three").await;
    let next = world.claim(conversation).await;
    assert_eq!(texts(&next), ["three"]);
}

/// Nor is it where the turn is divided because it was running at several deaths.
pub async fn the_parts_of_a_silenced_turn_are_silent_after_a_death(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "one").await;
    world.hear("ana", "two").await;
    for _ in 0..2 {
        world = world.killed_by(conversation, ClaimMode::Normal).await.0;
    }
    world.claim(conversation).await;
    world.hold(conversation).await;
    world.release(conversation, Some(world.now)).await;
    world.hear("ana", "three").await;
    let (world, _) = world.die().await;
    assert_eq!(count(&world.counts().await.ended, "answered_by_human"), 2);
    world.assert_balanced().await;
    let next = world.claim(conversation).await;
    assert_eq!(texts(&next), ["three"]);
    world.answer(&next, "hi").await;
    assert!(world.due().await.is_empty());
}

/// A turn that has failed once; its one step is of this class.
async fn waits_to_run_again(
    world: &World<'_>,
    class: EffectClass,
) -> (ConversationId, ClaimedTurn) {
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    let mut record = record_of(&turn, "k1", "1");
    record.step.class = class;
    let batch = Batch {
        record: vec![record],
        ..world.batch()
    };
    world.write(batch).await;
    let end = TurnEnd::Retry {
        not_before: world.after(30),
        failure: failure(),
    };
    let finished = world.end(&turn, end).await;
    assert!(matches!(finished, Finished::Done { .. }));
    (conversation, turn)
}

/// Ends a turn of which nothing may reach the person.
async fn silent_end(world: &World<'_>, turn: &ClaimedTurn) {
    let end = TurnEnd::Commit(answered(&[("late", DeliveryState::Sent)]));
    let finished = world.end_anew(turn, end).await;
    assert!(
        matches!(finished, Finished::Done { held: true, .. }),
        "was {finished:?}"
    );
    world.heard_nothing(turn.conversation).await;
}
