//! Stops 2 and 4: what happens to a range that failed.

use std::time::Duration;

use zupa_core::store::{ClaimOutcome, ClaimedTurn, FailureNote, Finished, TurnEnd, Verdict};
use zupa_core::{Coming, InboundState, TurnState};

use super::Harness;
use super::dead_letters::done;
use super::world::path::{failure, outage, texts, wordless};
use super::world::{World, count};

/// A range that waits for its retry keeps later messages behind it.
pub async fn retry_blocks_later_inbounds_until_not_before(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    let not_before = world.after(30);
    let failure = failure();
    match world
        .end(
            &turn,
            TurnEnd::Retry {
                not_before,
                failure,
            },
        )
        .await
    {
        Finished::Done { due_at, .. } => assert_eq!(due_at, Some(not_before)),
        other => panic!("the holder's end must be written, was {other:?}"),
    }
    let summary = world.view(turn.turn).await.turn.unwrap();
    assert_eq!(summary.state, TurnState::Retry);
    assert_eq!(summary.not_before, Some(not_before));
    assert!(summary.reason.unwrap().contains("too long"));

    world.pass(Duration::from_secs(29));
    world.hear("ana", "b").await;
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::NotYet(at) if at == not_before));
    assert!(world.due().await.is_empty());
    let counts = world.counts().await;
    assert_eq!(
        count(&counts.open, "claimed"),
        1,
        "the range is still taken"
    );
    assert_eq!(count(&counts.open, "queued"), 1);

    world.pass(Duration::from_secs(1));
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, again.runs), (turn.turn, 2));
    assert_eq!(texts(&again), ["a"]);
    let summary = world.view(turn.turn).await.turn.unwrap();
    assert_eq!(summary.state, TurnState::Running);
    assert_eq!(summary.not_before, None);
    world.answer(&again, "hi").await;
    assert_eq!(texts(&world.claim(conversation).await), ["b"]);
}

/// The time of a retry outlives a death.
pub async fn a_retry_keeps_its_time_over_a_death(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    let not_before = world.after(30);
    let failure = failure();
    world
        .end(
            &turn,
            TurnEnd::Retry {
                not_before,
                failure,
            },
        )
        .await;
    let (mut world, recovery) = world.die().await;
    assert_eq!(recovery.turns_resumed, 0, "it was not running");
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::NotYet(at) if at == not_before));
    world.pass(Duration::from_secs(30));
    assert_eq!(world.claim(conversation).await.failures, 1);
}

/// A range that is split goes one inbound at a time, in order, each as a turn
/// of its own; then the conversation is as it was before.
pub async fn split_then_one_by_one_then_normal_again(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    for text in ["b", "c"] {
        world.hear("ana", text).await;
    }
    let whole = world.claim(conversation).await;
    world.hear("ana", "d").await;
    let split = TurnEnd::Split { failure: failure() };
    match world.end(&whole, split).await {
        Finished::Done { due_at, .. } => assert!(due_at.unwrap() <= world.now),
        other => panic!("the holder's end must be written, was {other:?}"),
    }
    let summary = world.view(whole.turn).await.turn.unwrap();
    assert_eq!(summary.state, TurnState::Superseded);
    assert_eq!(count(&world.counts().await.open, "queued"), 4);

    let mut world = world;
    for (place, text) in ["a", "b", "c"].into_iter().enumerate() {
        let single = world.claim(conversation).await;
        assert_eq!(texts(&single), [text]);
        assert_ne!(single.turn, whole.turn);
        assert_eq!((single.runs, single.failures), (1, 0));
        if place == 1 {
            // A death between the parts changes nothing about it.
            world = world.die().await.0;
            let again = world.claim(conversation).await;
            assert_eq!((again.turn, again.runs), (single.turn, 2));
            assert_eq!(texts(&again), [text]);
            world.answer(&again, "hi").await;
            world.hear("ana", "e").await;
        } else {
            world.answer(&single, "hi").await;
        }
    }
    assert_eq!(texts(&world.claim(conversation).await), ["d", "e"]);
}

/// A claim says of each inbound whether a turn has had it before, so that whether its
/// sender may ask so much is decided once.
pub async fn a_claim_says_what_a_turn_has_had_before(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    world.hear("ana", "b").await;
    let whole = world.claim(conversation).await;
    assert_eq!(coming(&whole), [Coming::New, Coming::New]);
    world.hear("ana", "c").await;
    world
        .end(&whole, TurnEnd::Split { failure: failure() })
        .await;
    let single = world.claim(conversation).await;
    assert_eq!(coming(&single), [Coming::Divided]);
    world.give_up(&single).await;
    let (world, _) = world.die().await;
    let single = world.claim(conversation).await;
    assert_eq!(coming(&single), [Coming::Divided]);
    world.answer(&single, "hi").await;
    let dead = world.dead_letter().await.letter.id;
    assert!(done(&world.redrive(dead).await));
    let mixed = world.claim(conversation).await;
    assert_eq!(texts(&mixed), ["c", "a"]);
    assert_eq!(coming(&mixed), [Coming::New, Coming::Redriven]);
    world.end(&mixed, TurnEnd::Release).await;
    let again = world.claim(conversation).await;
    assert_eq!(coming(&again), coming(&mixed));
}

/// A failure of a provider that says when to come again.
fn asked() -> FailureNote {
    FailureNote {
        asked: true,
        ..outage()
    }
}

fn coming(turn: &ClaimedTurn) -> Vec<Coming> {
    turn.inbounds.iter().map(|inbound| inbound.coming).collect()
}

/// Of a split range only the failing inbound dies, and the conversation goes
/// on.
pub async fn dead_only_the_failing_one_and_conversation_goes_on(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "good").await;
    world.hear("ana", "bad").await;
    world.hear("ana", "good").await;
    let whole = world.claim(conversation).await;
    world
        .end(&whole, TurnEnd::Split { failure: failure() })
        .await;
    for _ in 0..3 {
        let single = world.claim(conversation).await;
        if texts(&single) == ["bad"] {
            world.end(&single, wordless(Verdict::Dead(failure()))).await;
            let view = world.view(single.turn).await;
            assert_eq!(view.inbounds[0].state, InboundState::Dead);
            assert_eq!(view.turn.unwrap().state, TurnState::Dead);
        } else {
            world.answer(&single, "hi").await;
        }
    }
    let counts = world.counts().await;
    assert_eq!(count(&counts.ended, "dead"), 1);
    assert_eq!(count(&counts.ended, "answered"), 2);

    world.hear("ana", "more").await;
    let next = world.claim(conversation).await;
    assert_eq!(texts(&next), ["more"]);
    world.answer(&next, "hi").await;
}

/// A claim that is given back counts no failure and is due at once, with the
/// same turn.
pub async fn release_counts_no_failure(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    match world.end(&turn, TurnEnd::Release).await {
        Finished::Done { due_at, .. } => assert!(due_at.unwrap() <= world.now),
        other => panic!("the holder's end must be written, was {other:?}"),
    }
    assert_eq!(world.due().await, [conversation]);
    let again = world.claim(conversation).await;
    assert_eq!(again.turn, turn.turn);
    assert_eq!((again.runs, again.failures), (2, 0));
    assert_eq!(texts(&again), ["hello"]);
}

/// When a model works again, what waits for it is due at once; what has failed by itself,
/// was told its time by the provider, is at work, or is a human's, is left as it is.
pub async fn a_model_that_is_back_hastens_what_waits_for_it(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (soon, late) = (world.after(40), world.after(60));
    let mut conversations = Vec::new();
    for (who, not_before, failure) in [
        ("ana", late, outage()),
        ("bob", soon, outage()),
        ("cyd", soon, failure()),
        ("dan", soon, outage()),
        ("fay", soon, asked()),
    ] {
        let conversation = world.hear(who, "hello").await;
        let turn = world.claim(conversation).await;
        let end = TurnEnd::Retry {
            not_before,
            failure,
        };
        world.end(&turn, end).await;
        conversations.push(conversation);
    }
    let [ana, bob, cyd, dan, fay] = conversations[..] else {
        panic!("five have spoken");
    };
    world.hold(dan).await;
    let at_work = world.hear("eve", "hello").await;
    world.claim(at_work).await;
    world.pass(Duration::from_secs(1));

    assert_eq!(world.store.hasten(world.now, 1).await.unwrap(), [bob]);
    assert_eq!(world.store.hasten(world.now, 9).await.unwrap(), [ana]);
    assert!(world.store.hasten(world.now, 9).await.unwrap().is_empty());
    let mut due = world.due().await;
    due.sort();
    let mut hastened = vec![ana, bob];
    hastened.sort();
    assert_eq!(due, hastened);
    for left_alone in [cyd, fay] {
        let outcome = world.try_claim(left_alone).await;
        assert!(matches!(outcome, ClaimOutcome::NotYet(at) if at == soon));
    }
    let outcome = world.try_claim(dan).await;
    assert!(matches!(outcome, ClaimOutcome::Paused));
    let again = world.claim(ana).await;
    assert_eq!((again.runs, again.provider_failures), (2, 1));
    assert_eq!(texts(&again), ["hello"]);
    world.pass(Duration::from_secs(40));
    let again = world.claim(fay).await;
    let not_before = world.after(30);
    let end = TurnEnd::Retry {
        not_before,
        failure: outage(),
    };
    world.end(&again, end).await;
    assert_eq!(
        world.store.hasten(world.now, 9).await.unwrap(),
        [fay],
        "this time nobody has named the time"
    );
}
