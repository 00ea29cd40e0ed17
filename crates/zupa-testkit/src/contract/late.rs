//! What an operator had sent again: which news is about the life before, and whether the
//! person wants to hear it.

use std::time::Duration;

use zupa_core::store::Attempted;
use zupa_core::{
    DeadLetterId, DeadLetterState, DeliveryId, DeliveryState, Lane, ReceiptLevel, ReceiptNews, Wish,
};

use super::Harness;
use super::dead_letters::done;
use super::person::wish;
use super::receipts::with_key;
use super::redrives::letter_of;
use super::world::World;
use super::world::wire::{Talk, level};

const SECOND: Duration = Duration::from_secs(1);
const SENDING: &[(&str, DeliveryState)] = &[("one", DeliveryState::Sending)];

impl World<'_> {
    /// A delivery that the platform has given up on, which knows it by this id, and that an
    /// operator has sent again.
    async fn sent_again(&self, alias: &str, about: &str) -> Talk {
        let mut talk = self.talk(alias, SENDING).await;
        let failed = with_key(&talk, ReceiptLevel::Failed);
        self.hear_of(about, failed).await;
        self.again(&mut talk).await;
        talk
    }

    async fn again(&self, talk: &mut Talk) {
        assert!(done(&self.redrive(letter_of(talk)).await));
        self.follow(talk).await;
    }

    async fn stands_as(&self, talk: &Talk) -> DeliveryState {
        let view = self.delivery(talk, 0).await;
        let has_ended = view.settled_at.is_some();
        assert_eq!(has_ended, !view.state.is_open(), "{view:?}");
        view.state
    }
}

/// That the platform once took an attempt which it then gave up on says nothing of what is
/// sent since, by our key or by its id. That it arrived says all.
pub async fn a_sent_of_an_attempt_that_failed_settles_nothing_later(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for (alias, by_key) in [("ana", true), ("bob", false)] {
        let about = format!("of {alias}");
        let talk = world.sent_again(alias, &about).await;
        let told = |of: ReceiptLevel| match by_key {
            true => with_key(&talk, of),
            false => level(of),
        };
        let early = [
            ReceiptLevel::Accepted,
            ReceiptLevel::Sent,
            ReceiptLevel::Failed,
        ];
        for of in early {
            world.hear_of(&about, told(of)).await;
            assert_eq!(world.stands_as(&talk).await, DeliveryState::Queued);
        }
        let due = world.due_deliveries().await;
        assert!(due.iter().any(|due| due.id.turn == talk.turn.turn));
        assert_eq!(world.attempt(talk.rows[0], 1).await, Attempted::Granted);
        for of in early {
            world.hear_of(&about, told(of)).await;
            assert_eq!(world.stands_as(&talk).await, DeliveryState::Sending);
        }
        let letter = letter_of(&talk);
        assert_eq!(world.stands(letter).await, DeadLetterState::Reprocessing);
        world.hear_of(&about, told(ReceiptLevel::Delivered)).await;
        assert_eq!(world.stands_as(&talk).await, DeliveryState::Sent);
        assert_eq!(world.stands(letter).await, DeadLetterState::Done);
    }
}

/// News of the attempt that is on the wire is proof, and what is known of it counts when it
/// is given up, too.
pub async fn a_sent_of_the_new_attempt_settles_it(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.sent_again("ana", "p1").await;
    world.attempt(talk.rows[0], 1).await;
    let sent = with_key(&talk, ReceiptLevel::Sent);
    world.hear_of("p2", sent).await;
    assert_eq!(world.stands_as(&talk).await, DeliveryState::Sent);

    let mut talk = world.sent_again("bob", "p3").await;
    world.attempt(talk.rows[0], 1).await;
    let failed = with_key(&talk, ReceiptLevel::Failed);
    world.hear_of("p4", failed).await;
    assert_eq!(world.stands_as(&talk).await, DeliveryState::Failed);
    world.again(&mut talk).await;
    let sent = with_key(&talk, ReceiptLevel::Sent);
    world.hear_of("p4", sent).await;
    assert_eq!(world.stands_as(&talk).await, DeliveryState::Queued);
}

/// Who has opted out is not written to because an operator tries again what nobody had
/// asked for; the answer to a question is another thing.
pub async fn what_nobody_asked_for_stays_so_when_it_is_sent_again(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.two_kinds("ana").await;
    let turn = talk.turn.turn;
    for ordinal in [1, 0] {
        let news = ReceiptNews::Status {
            level: ReceiptLevel::Failed,
            key: Some(format!("{turn}.{ordinal}")),
        };
        let place = talk.rows[ordinal];
        assert_eq!(world.attempt(place, 1).await, Attempted::Granted);
        world.hear_of(&format!("p{ordinal}"), news).await;
    }
    world.pass(SECOND);
    world.hears(wish("ana", Wish::Nothing, world.now)).await;
    let letter = |ordinal| DeadLetterId::Delivery(DeliveryId { turn, ordinal });
    for round in 0..2 {
        assert!(done(&world.redrive(letter(1)).await), "{round}");
        let due = world.due_deliveries().await;
        let due = due.first().expect("it waits to be sent");
        let place = super::world::wire::Place {
            conversation: due.conversation,
            number: due.number,
        };
        assert_eq!(world.attempt(place, 1).await, Attempted::Lost, "{round}");
        let found = world.letter(letter(1)).await;
        assert_eq!(found.state, DeadLetterState::Pending);
        let expected = format!("cancelled: {}", Lane::OPTED_OUT);
        assert_eq!(found.reason, Some(expected));
        assert!(world.due_deliveries().await.is_empty());
    }
    assert!(done(&world.redrive(letter(0)).await));
    let due = world.due_deliveries().await;
    let place = super::world::wire::Place {
        conversation: due[0].conversation,
        number: due[0].number,
    };
    assert_eq!(world.attempt(place, 1).await, Attempted::Granted);
}
