//! What went wrong on the way to a good end stays known.

use std::time::Duration;

use zupa_core::store::{FailureNote, Settlement, TurnEnd, Verdict};
use zupa_core::{DeliveryId, DeliveryState, ErrorKind};

use super::Harness;
use super::world::World;
use super::world::path::{answered, failure, wordless};
use super::world::wire::{Place, sent};

/// A turn shows each failure with its run, its class and the wait that followed, also
/// once it has ended well; a failure of several inbounds once.
pub async fn a_turn_shows_what_went_wrong_before_it_ended_well(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    world.hear("ana", "b").await;
    let turn = world.claim(conversation).await;
    let (failed_at, not_before) = (world.now, world.after(30));
    let failure = failure();
    let class = failure.kind.as_str();
    let retry = TurnEnd::Retry {
        not_before,
        failure: failure.clone(),
    };
    world.end(&turn, retry).await;
    world.pass(Duration::from_secs(30));
    let again = world.claim(conversation).await;
    let provider = TurnEnd::Retry {
        not_before: world.after(1),
        failure: FailureNote {
            kind: ErrorKind::Unavailable,
            counts: false,
            ..failure
        },
    };
    world.end(&again, provider).await;
    world.pass(Duration::from_secs(1));
    let again = world.claim(conversation).await;
    world.end(&again, wordless(Verdict::Answered)).await;

    let failures = world.view(turn.turn).await.failures;
    let attempts: Vec<_> = failures.iter().map(|failure| &failure.attempt).collect();
    assert_eq!(attempts.len(), 2, "{failures:#?}");
    assert!(failures.iter().all(|failure| failure.delivery.is_none()));
    let [first, second] = [attempts[0], attempts[1]];
    assert_eq!((first.turn, first.run), (turn.turn, 1));
    assert_eq!((&*first.class, first.counted), (class, true));
    assert_eq!((first.at, first.not_before), (failed_at, Some(not_before)));
    assert!(first.message.contains("too long"), "{first:?}");
    assert_eq!((second.run, &*second.class), (2, "unavailable"));
    assert!(!second.counted);
    let (world, _) = world.restart().await;
    assert_eq!(world.view(turn.turn).await.failures, failures);
}

/// An inbound that waits for a turn of its own shows how the one before has failed.
pub async fn an_inbound_shows_the_failures_of_the_turn_before(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    world.hear("ana", "b").await;
    let whole = world.claim(conversation).await;
    let events: Vec<_> = whole.inbounds.iter().map(|one| one.event).collect();
    let split = TurnEnd::Split { failure: failure() };
    world.end(&whole, split).await;
    for event in events {
        let id = event.to_string();
        let view = world.desk.turn(&id).await.unwrap().unwrap();
        assert_eq!(view.turn, None);
        let runs: Vec<_> = view.failures.iter().map(|one| one.attempt.run).collect();
        assert_eq!(runs, [1]);
    }
    let single = world.claim(conversation).await;
    let failures = world.view(single.turn).await.failures;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].attempt.turn, whole.turn);
}

/// What was refused at the wire is shown with the delivery that it was about.
pub async fn a_turn_shows_the_attempts_of_its_deliveries_that_failed(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    let rows = [
        ("one", DeliveryState::Sending),
        ("two", DeliveryState::Queued),
    ];
    world.end(&turn, TurnEnd::Commit(answered(&rows))).await;
    let deliveries = world.view(turn.turn).await.deliveries;
    let first = Place {
        conversation,
        number: deliveries[0].number,
    };
    let not_before = world.after(5);
    let kind = ErrorKind::RateLimited;
    world
        .settle(first, 1, Settlement::Retry { not_before, kind })
        .await;
    world.pass(Duration::from_secs(5));
    world.attempt(first, 2).await;
    world.settle(first, 2, sent("p1")).await;
    let failures = world.view(turn.turn).await.failures;
    assert_eq!(failures.len(), 1, "{failures:#?}");
    let delivery = DeliveryId {
        turn: turn.turn,
        ordinal: 0,
    };
    assert_eq!(failures[0].delivery, Some(delivery));
    let attempt = &failures[0].attempt;
    assert_eq!((attempt.run, &*attempt.class), (1, kind.as_str()));
    assert_eq!(attempt.not_before, Some(not_before));
}
