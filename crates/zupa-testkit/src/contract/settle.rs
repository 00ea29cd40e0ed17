//! Stop 5: a settlement is true evidence. It is not fenced, and only moves
//! forward.

use zupa_core::store::{Attempted, Batch, Finished, Settlement, TurnEnd};
use zupa_core::{DeliveryState, ErrorKind, ReceiptLevel};

use super::Harness;
use super::world::path::answered;
use super::world::wire::{Talk, level, sent, settle_of};
use super::world::{EXPIRY, World};

const ONE: &[(&str, DeliveryState)] = &[("one", DeliveryState::Queued)];
const TWO: &[(&str, DeliveryState)] = &[
    ("one", DeliveryState::Queued),
    ("two", DeliveryState::Queued),
];

impl World<'_> {
    /// Every settlement that is not `sent`.
    fn guesses(&self) -> Vec<Settlement> {
        vec![
            Settlement::Retry {
                not_before: self.now,
                kind: ErrorKind::Timeout,
            },
            Settlement::Failed {
                kind: ErrorKind::Invalid,
            },
            Settlement::InDoubt { until: self.now },
            Settlement::Unknown,
            Settlement::SendAgain,
        ]
    }

    /// One delivery on the wire, with its first attempt.
    async fn on_the_wire(&self, alias: &str) -> Talk {
        let talk = self.talk(alias, ONE).await;
        assert_eq!(self.attempt(talk.rows[0], 1).await, Attempted::Granted);
        talk
    }

    async fn state(&self, talk: &Talk) -> DeliveryState {
        self.states(talk).await[0]
    }
}

/// A writer whose claim is long gone can still say what became of a send, and
/// nothing else.
pub async fn late_writer_settles_but_cannot_commit(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", &[("one", DeliveryState::Sending)]).await;
    let conversation = world.hear("ana", "more").await;
    let stale = world.claim(conversation).await;
    world.pass(EXPIRY);
    let other = world.claim(conversation).await;

    let batch = Batch {
        settle: vec![settle_of(talk.rows[0], 1, sent("p1"))],
        finish: vec![world.finish_of(&stale, TurnEnd::Commit(answered(ONE)))],
        ..world.batch()
    };
    let answers = world.write(batch).await.finish;
    assert_eq!(*answers[0].as_ref().unwrap(), Finished::Stale);
    assert_eq!(world.state(&talk).await, DeliveryState::Sent);
    assert!(world.view(other.turn).await.deliveries.is_empty());
    world.answer(&other, "hi").await;
}

/// Sent is never undone, whatever comes later, also in the same batch.
pub async fn sent_is_never_undone(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (ana, bob) = (
        world.on_the_wire("ana").await,
        world.on_the_wire("bob").await,
    );
    world.settle(ana.rows[0], 1, sent("p1")).await;
    for guess in world.guesses() {
        world.settle(ana.rows[0], 1, guess).await;
        assert_eq!(world.state(&ana).await, DeliveryState::Sent);
    }
    assert_eq!(world.attempt(ana.rows[0], 2).await, Attempted::Lost);

    let until = world.now;
    let doubt = Settlement::InDoubt { until };
    let batch = Batch {
        settle: vec![
            settle_of(bob.rows[0], 1, doubt.clone()),
            settle_of(bob.rows[0], 1, sent("p2")),
            settle_of(bob.rows[0], 1, doubt),
        ],
        ..world.batch()
    };
    world.write(batch).await;
    assert_eq!(world.state(&bob).await, DeliveryState::Sent);
    world.hear_of("p2", level(ReceiptLevel::Read)).await;
    assert_eq!(world.delivery(&bob, 0).await.receipt, ReceiptLevel::Read);
}

/// A late `sent` outweighs every guess that was made meanwhile.
pub async fn a_late_sent_outweighs_every_guess(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for (place, guess) in world.guesses().into_iter().enumerate() {
        let is_end = matches!(guess, Settlement::Failed { .. });
        let talk = world.on_the_wire(&format!("a{place}")).await;
        world.settle(talk.rows[0], 1, guess).await;
        let before = world.state(&talk).await;
        assert_ne!(before, DeliveryState::Sent);
        world
            .settle(talk.rows[0], 1, sent(&format!("p{place}")))
            .await;
        // What was refused for good had its later parts cancelled.
        let expected = if is_end {
            DeliveryState::Failed
        } else {
            DeliveryState::Sent
        };
        assert_eq!(world.state(&talk).await, expected, "was {before:?}");
        assert_eq!(world.attempt(talk.rows[0], 2).await, Attempted::Lost);
    }
}

/// What is said of an earlier attempt does not move a later one, except that
/// it was sent.
pub async fn an_earlier_attempt_does_not_move_a_later_one(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.on_the_wire("ana").await;
    world.settle(talk.rows[0], 1, Settlement::SendAgain).await;
    assert_eq!(world.attempt(talk.rows[0], 2).await, Attempted::Granted);
    for guess in world.guesses() {
        world.settle(talk.rows[0], 1, guess).await;
        assert_eq!(world.state(&talk).await, DeliveryState::Sending);
    }
    assert_eq!(world.delivery(&talk, 0).await.attempts, 2);
    world.settle(talk.rows[0], 1, sent("p1")).await;
    assert_eq!(world.state(&talk).await, DeliveryState::Sent);
}

/// What ended stays as it ended.
pub async fn failed_cancelled_and_unknown_stay(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", TWO).await;
    assert_eq!(world.attempt(talk.rows[0], 1).await, Attempted::Granted);
    let kind = ErrorKind::Invalid;
    world
        .settle(talk.rows[0], 1, Settlement::Failed { kind })
        .await;
    let parked = world.on_the_wire("bob").await;
    world.settle(parked.rows[0], 1, Settlement::Unknown).await;
    for guess in world.guesses() {
        for row in &talk.rows {
            world.settle(*row, 1, guess.clone()).await;
        }
        let ended = [DeliveryState::Failed, DeliveryState::Cancelled];
        assert_eq!(world.states(&talk).await, ended);
        if !matches!(guess, Settlement::Failed { .. }) {
            world.settle(parked.rows[0], 1, guess).await;
            assert_eq!(world.state(&parked).await, DeliveryState::Unknown);
        }
    }
}

/// A settlement is applied before the attempts of its batch, so the next part
/// can go in the transaction that settles the one before.
pub async fn a_batch_settles_before_it_attempts(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.on_the_wire("ana").await;
    let until = world.now;
    world
        .settle(talk.rows[0], 1, Settlement::InDoubt { until })
        .await;
    let batch = Batch {
        settle: vec![settle_of(talk.rows[0], 1, Settlement::SendAgain)],
        attempt: vec![world.attempt_of(talk.rows[0], 2)],
        ..world.batch()
    };
    let answers = world.write(batch).await.attempt;
    assert_eq!(*answers[0].as_ref().unwrap(), Attempted::Granted);
    assert_eq!(world.state(&talk).await, DeliveryState::Sending);
}

/// An answer to an attempt that others went past, because its time was over,
/// changes nothing unless it was sent: the row is theirs.
pub async fn an_answer_that_others_went_past_changes_nothing(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let retry = |world: &World<'_>| Settlement::Retry {
        not_before: world.after(60),
        kind: ErrorKind::Timeout,
    };
    for later in [Settlement::Unknown, retry(&world), Settlement::SendAgain] {
        let talk = world.on_the_wire(&format!("{later:?}")).await;
        let place = talk.rows[0];
        world.settle(place, 1, Settlement::SendAgain).await;
        let queued = world.delivery(&talk, 0).await;
        for guess in world.guesses() {
            world.settle(place, 1, guess).await;
            assert_eq!(world.delivery(&talk, 0).await, queued);
        }
        assert_eq!(world.attempt(place, 2).await, Attempted::Granted);
        world.settle(place, 2, later).await;
        let settled = world.delivery(&talk, 0).await;
        for guess in world.guesses() {
            world.settle(place, 1, guess).await;
            assert_eq!(world.delivery(&talk, 0).await, settled);
        }
    }
}
