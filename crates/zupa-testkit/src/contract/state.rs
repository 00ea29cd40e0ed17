//! What an agent keeps of a conversation from turn to turn.

use zupa_core::StoredState;
use zupa_core::store::{Accepted, Batch, Claim, ClaimOutcome, Commit, Finished, Offer, TurnEnd};

use super::Harness;
use super::world::path::{LOADS, taken};
use super::world::waits::quiet;
use super::world::{EXPIRY, World};

pub(super) fn state(version: u32, json: &str) -> StoredState {
    StoredState {
        version,
        json: json.into(),
    }
}

/// A commit that leaves this state.
fn keeping(kept: &StoredState) -> TurnEnd {
    TurnEnd::Commit(Commit {
        state: Some(kept.clone()),
        ..quiet()
    })
}

/// The next turn is handed what the last commit left, whatever death lies
/// between; a commit without a state leaves it as it is.
pub async fn the_last_state_is_handed_out(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.state, None);
    let first = state(LOADS, r#"{"cart":["it's \u0000 é"]}"#);
    world.end(&turn, keeping(&first)).await;

    world.hear("ana", "b").await;
    let (world, _) = world.die().await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.state, Some(first.clone()));
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!(again.state, Some(first.clone()), "at every run");
    world.end(&again, TurnEnd::Commit(quiet())).await;

    world.hear("ana", "c").await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.state, Some(first));
    let second = state(0, "{}");
    world.end(&turn, keeping(&second)).await;
    world.hear("ana", "d").await;
    assert_eq!(world.claim(conversation).await.state, Some(second));

    let other = world.hear("bob", "a").await;
    assert_eq!(world.claim(other).await.state, None);
}

/// A run that lost its claim does not change the state, nor does a commit that
/// comes again.
pub async fn a_stale_commit_leaves_the_state_alone(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let stale = world.claim(conversation).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    let late = world.end(&stale, keeping(&state(1, "\"late\""))).await;
    assert_eq!(late, Finished::Stale);
    let kept = state(1, "\"kept\"");
    world.end(&turn, keeping(&kept)).await;
    let late = world.end(&stale, keeping(&state(1, "\"late\""))).await;
    assert_eq!(late, Finished::Stale);
    let again = world.end(&turn, keeping(&state(1, "\"again\""))).await;
    assert!(matches!(again, Finished::Already { .. }));
    world.hear("ana", "b").await;
    assert_eq!(world.claim(conversation).await.state, Some(kept));
}

/// Ends that are no commits leave the state as it is.
pub async fn a_state_outlives_failures(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let kept = state(1, "{}");
    let turn = world.claim(conversation).await;
    world.end(&turn, keeping(&kept)).await;
    world.hear("ana", "b").await;
    let failure = super::world::path::failure();
    let retry = TurnEnd::Retry {
        not_before: world.now,
        failure: failure.clone(),
    };
    for end in [retry, TurnEnd::Release, TurnEnd::Split { failure }] {
        let turn = world.claim(conversation).await;
        assert_eq!(turn.state.as_ref(), Some(&kept));
        world.end(&turn, end).await;
    }
    assert_eq!(world.claim(conversation).await.state, Some(kept));
}

/// Who cannot load the state leaves the conversation alone and changes nothing;
/// somebody newer takes it.
pub async fn a_newer_state_is_left_alone(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    world.end(&turn, keeping(&state(LOADS + 1, "{}"))).await;
    world.hear("ana", "b").await;
    let before = world.look("ana", conversation, turn.turn).await;
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::Newer), "was {outcome:?}");
    assert_eq!(world.look("ana", conversation, turn.turn).await, before);
    assert_eq!(
        world.due().await,
        [conversation],
        "it waits for somebody newer"
    );

    let newer = |world: &World<'_>| Claim {
        loads: LOADS + 1,
        ..world.wish(conversation)
    };
    let turn = taken(world.try_claim_with(newer(&world)).await);
    assert_eq!(turn.epoch.0, 2, "no epoch was spent");
    world.pass(EXPIRY);
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::Newer), "an open turn, too");
    let again = taken(world.try_claim_with(newer(&world)).await);
    assert_eq!((again.turn, again.runs), (turn.turn, 2));
    world.end(&again, keeping(&state(LOADS, "{}"))).await;
    world.hear("ana", "c").await;
    world.claim(conversation).await;
}

/// An offer of somebody who cannot load the state is not taken; the message is
/// accepted all the same.
pub async fn an_offer_does_not_take_a_newer_state(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    world.end(&turn, keeping(&state(LOADS + 1, "{}"))).await;
    for (id, loads, takes) in [("m2", LOADS, false), ("m3", LOADS + 1, true)] {
        let mut message = world.message("ana", id, id);
        message.offer = Some(Offer {
            loads,
            ..world.offer()
        });
        let batch = Batch {
            accept: vec![message],
            ..world.batch()
        };
        let mut applied = world.write(batch).await;
        assert!(matches!(applied.accept[0], Ok(Accepted::Queued { .. })));
        let taken = applied.taken.remove(0);
        assert_eq!(taken.is_some(), takes, "{id}");
        if let Some(turn) = taken {
            assert_eq!(turn.inbounds.len(), 2);
            assert_eq!(turn.state, Some(state(LOADS + 1, "{}")));
        }
    }
}
