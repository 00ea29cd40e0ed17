//! Stop 5: no conversation is sent to faster than its door's platform allows.

use std::time::Duration;

use zupa_core::store::{Attempt, Attempted, Batch};
use zupa_core::{DeliveryState, Lane, PairPace};

use super::Harness;
use super::world::path::answered;
use super::world::wire::{Place, Talk, sent};
use super::world::{World, count};

const QUEUED: DeliveryState = DeliveryState::Queued;
const RETRY: DeliveryState = DeliveryState::Retry;
const FOUR: &[(&str, DeliveryState)] = &[
    ("one", QUEUED),
    ("two", QUEUED),
    ("three", QUEUED),
    ("four", QUEUED),
];
/// Two at once, and then a pause of 13 s after the first.
const PACE: PairPace = PairPace {
    every: Duration::from_secs(6),
    burst: 2,
    slack: Duration::from_secs(1),
};
const MICRO: Duration = Duration::from_micros(1);

impl World<'_> {
    fn paced_of(&self, place: Place, attempt: u32) -> Attempt {
        Attempt {
            pace: Some(PACE),
            ..self.attempt_of(place, attempt)
        }
    }

    async fn paced(&self, place: Place, attempt: u32) -> Attempted {
        let batch = Batch {
            attempt: vec![self.paced_of(place, attempt)],
            ..self.batch()
        };
        self.write(batch).await.attempt.remove(0).unwrap()
    }

    /// Sends the first rows of a reply.
    async fn send(&self, talk: &Talk, count: usize) {
        for (row, id) in talk.rows.iter().zip(["p1", "p2"]).take(count) {
            assert_eq!(self.paced(*row, 1).await, Attempted::Granted);
            self.settle(*row, 1, sent(id)).await;
        }
    }
}

/// An attempt that comes too early is none: it is put off to its time, and listed then.
pub async fn what_is_too_early_waits_for_its_time(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", FOUR).await;
    let third = talk.rows[2];
    let until = world.after(13);
    world.send(&talk, 1).await;
    world.pass(Duration::from_secs(4));
    assert_eq!(world.paced(talk.rows[1], 1).await, Attempted::Granted);
    world.settle(talk.rows[1], 1, sent("p2")).await;
    assert_eq!(world.listed().await, [(third.number, QUEUED)]);

    assert_eq!(world.paced(third, 1).await, Attempted::Paced { until });
    let view = world.delivery(&talk, 2).await;
    assert_eq!((view.state, view.attempts), (RETRY, 0));
    assert_eq!(view.reason.as_deref(), Some(PairPace::REASON));
    world.pass(Duration::from_secs(9) - MICRO);
    assert_eq!(world.listed().await, []);
    assert_eq!(world.paced(third, 1).await, Attempted::Paced { until });
    world.pass(MICRO);
    assert_eq!(world.listed().await, [(third.number, RETRY)]);
    assert_eq!(world.paced(third, 2).await, Attempted::Lost);
    assert_eq!(world.paced(third, 1).await, Attempted::Granted);
    assert_eq!(world.delivery(&talk, 2).await.attempts, 1);
    assert_eq!(world.paced(third, 1).await, Attempted::Lost);
}

/// Whatever its lane, what one person gets counts; what others get does not.
pub async fn a_pace_is_of_one_conversation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let mut commit = answered(&FOUR[..3]);
    commit.outbound[1].outbound.lane = Lane::Proactive;
    commit.outbound[2].outbound.lane = Lane::Late;
    let numbers = world.committed(&turn, commit).await;
    let attempts = numbers.iter().map(|number| {
        let conversation = turn.conversation;
        let number = *number;
        world.paced_of(
            Place {
                conversation,
                number,
            },
            1,
        )
    });
    let bob = world.talk("bob", FOUR).await;
    let batch = Batch {
        attempt: attempts.chain([world.paced_of(bob.rows[0], 1)]).collect(),
        ..world.batch()
    };
    let answers = world.write(batch).await.attempt;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let until = world.after(13);
    let expected = [
        Attempted::Granted,
        Attempted::Granted,
        Attempted::Paced { until },
        Attempted::Granted,
    ];
    assert_eq!(answers, expected);
}

/// A death in the middle of a burst makes no room for another one.
pub async fn a_burst_outlives_the_process(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", FOUR).await;
    let until = world.after(13);
    world.send(&talk, 2).await;
    let (world, _) = world.die().await;
    assert_eq!(
        world.paced(talk.rows[2], 1).await,
        Attempted::Paced { until }
    );
}

/// What a human has taken over is not put off, but over.
pub async fn a_hold_counts_more_than_a_pace(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", FOUR).await;
    world.send(&talk, 1).await;
    assert_eq!(world.paced(talk.rows[1], 1).await, Attempted::Granted);
    assert!(matches!(
        world.paced(talk.rows[2], 1).await,
        Attempted::Paced { .. }
    ));
    world.hold(talk.turn.conversation).await;
    assert_eq!(world.paced(talk.rows[2], 1).await, Attempted::Lost);
    let state = world.delivery(&talk, 2).await.state;
    assert_eq!(state, DeliveryState::Cancelled);
    assert_eq!(world.listed().await, []);
    assert_eq!(count(&world.counts().await.deliveries, "retry"), 0);
}

/// Replies take no place behind what nobody has asked for.
pub async fn replies_are_listed_first(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut campaign = Vec::new();
    for name in ["ana", "bob"] {
        let conversation = world.hear(name, "hello").await;
        let turn = world.claim(conversation).await;
        let mut commit = answered(&FOUR[..1]);
        commit.outbound[0].outbound.lane = Lane::Proactive;
        campaign.extend(world.committed(&turn, commit).await);
        world.pass(Duration::from_secs(1));
    }
    let cyd = world.talk("cyd", &FOUR[..1]).await;
    let first = world.due_by(world.now, 1).await;
    assert_eq!(first[0].conversation, cyd.turn.conversation);
    let lanes: Vec<_> = world
        .due_deliveries()
        .await
        .iter()
        .map(|delivery| delivery.lane)
        .collect();
    assert_eq!(lanes, [Lane::Reply, Lane::Proactive, Lane::Proactive]);
}
