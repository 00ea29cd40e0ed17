//! Stop 5: what nobody knows of, what goes out late, and who waits for whom.

use std::time::Duration;

use zupa_core::store::{Attempted, Settlement};
use zupa_core::{
    DeadLetterAct, DeadLetterActed, DeadLetterId, DeadLetterState, DeliveryId, DeliveryState,
    ErrorKind, Lane, ReceiptLevel, ReceiptNews,
};

use super::Harness;
use super::dead_letters::done;
use super::world::path::answered;
use super::world::wire::{Place, Talk, sent};
use super::world::{World, address};

const QUEUED: DeliveryState = DeliveryState::Queued;
const ONE: &[(&str, DeliveryState)] = &[("one", QUEUED)];

impl World<'_> {
    /// A reply and a proactive message of one turn, on their way.
    async fn two_lanes(&self, alias: &str) -> Talk {
        let conversation = self.hear(alias, "hello").await;
        let turn = self.claim(conversation).await;
        let mut commit = answered(&[("reply", QUEUED), ("more", QUEUED), ("by the way", QUEUED)]);
        commit.outbound[2].outbound.lane = Lane::Proactive;
        let numbers = self.committed(&turn, commit).await;
        let rows = numbers.into_iter().map(|number| Place {
            conversation,
            number,
        });
        Talk {
            rows: rows.collect(),
            turn,
        }
    }

    /// An attempt was made, and nobody will ever know more of it.
    async fn gives_up(&self, talk: &Talk) -> DeadLetterId {
        assert_eq!(self.attempt(talk.rows[0], 1).await, Attempted::Granted);
        let until = self.now;
        let doubt = Settlement::InDoubt { until };
        self.settle(talk.rows[0], 1, doubt).await;
        self.settle(talk.rows[0], 1, Settlement::Unknown).await;
        let ordinal = 0;
        let turn = talk.turn.turn;
        DeadLetterId::Delivery(DeliveryId { turn, ordinal })
    }

    async fn send_late(&self, id: DeadLetterId) {
        let confirmed = DeadLetterAct::Retry { confirmed: true };
        assert!(done(&self.deal(id, confirmed).await));
    }

    /// Where a delivery stands now: one that went out late has moved.
    async fn place_of(&self, id: DeadLetterId) -> Place {
        let DeadLetterId::Delivery(id) = id else {
            panic!("a delivery is meant");
        };
        let view = self.view(id.turn).await;
        let rows = view.deliveries.iter();
        let row = rows.into_iter().find(|row| row.id == id).unwrap();
        Place {
            conversation: view.conversation,
            number: row.number,
        }
    }
}

/// Each lane has an order of its own: neither a retry nor a doubt of one keeps the other
/// waiting.
pub async fn lanes_do_not_wait_for_each_other(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.two_lanes("ana").await;
    let [reply, more, proactive] = [0, 1, 2].map(|at| talk.rows[at]);
    let mut heads = world.listed().await;
    heads.sort_by_key(|head| head.0);
    assert_eq!(
        heads,
        [(reply.number, QUEUED), (proactive.number, QUEUED)],
        "the head of each lane"
    );
    for (in_the_way, other) in [(reply, proactive), (proactive, more)] {
        assert_eq!(world.attempt(in_the_way, 1).await, Attempted::Granted);
        let until = world.after(60);
        let doubt = Settlement::InDoubt { until };
        world.settle(in_the_way, 1, doubt).await;
        assert_eq!(world.listed().await, [(other.number, QUEUED)]);
        world.settle(in_the_way, 1, sent("p")).await;
    }
}

/// Whoever looks at a send in doubt is told when it was tried, over a death too.
pub async fn an_attempt_says_when_it_was_made(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let sending = [("one", DeliveryState::Sending)];
    let by_commit = world.talk("ana", &sending).await;
    let committed_at = world.now;
    let talk = world.talk("bob", ONE).await;
    let bob = |due: Vec<zupa_core::store::Delivery>| {
        due.into_iter()
            .find(|due| due.id.turn == talk.turn.turn)
            .unwrap()
    };
    assert_eq!(bob(world.due_deliveries().await).tried_at, None);
    world.attempt(talk.rows[0], 1).await;
    let not_before = world.now;
    let kind = ErrorKind::Unavailable;
    let retry = Settlement::Retry { not_before, kind };
    world.settle(talk.rows[0], 1, retry).await;
    world.pass(Duration::from_secs(5));
    let tried_at = world.now;
    world.attempt(talk.rows[0], 2).await;
    let (mut world, _) = world.die().await;
    world.pass(Duration::from_secs(60));
    let due = world.due_deliveries().await;
    assert_eq!(bob(due.clone()).tried_at, Some(tried_at));
    let ana = due.iter().find(|due| due.id.turn == by_commit.turn.turn);
    assert_eq!(ana.unwrap().tried_at, Some(committed_at));
}

/// What is sent again although it may have left says so, for ever.
pub async fn a_resend_is_counted_as_possibly_doubled(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", ONE).await;
    let place = talk.rows[0];
    for attempt in 1..=2 {
        assert_eq!(world.attempt(place, attempt).await, Attempted::Granted);
        world.settle(place, attempt, Settlement::Resend).await;
        // Said again of an attempt that is over, it counts nothing.
        world.settle(place, attempt, Settlement::Resend).await;
    }
    assert_eq!(world.attempt(place, 3).await, Attempted::Granted);
    world.settle(place, 3, Settlement::SendAgain).await;
    assert_eq!(world.attempt(place, 4).await, Attempted::Granted);
    world.settle(place, 4, sent("p1")).await;
    let view = world.delivery(&talk, 0).await;
    assert_eq!((view.state, view.doubled), (DeliveryState::Sent, 2));
}

/// A send that nobody knows of is an operator's, until evidence comes after all.
pub async fn what_stays_unknown_is_a_dead_letter_until_evidence_comes(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", ONE).await;
    let id = world.gives_up(&talk).await;
    let view = world.dead_letter().await;
    assert_eq!(view.letter.id, id);
    assert_eq!(view.letter.state, DeadLetterState::Pending);
    assert_eq!(
        (view.letter.class.as_str(), view.letter.attempts),
        ("unknown", 1)
    );
    assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);

    let level = ReceiptLevel::Delivered;
    let key = Some(format!("{}.0", talk.turn.turn));
    world
        .hear_of("p1", ReceiptNews::Status { level, key })
        .await;
    let row = world.delivery(&talk, 0).await;
    assert_eq!((row.state, row.reason), (DeliveryState::Sent, None));
    assert_eq!(world.stands(id).await, DeadLetterState::Done);

    // What an operator has put away stays so.
    let other = world.talk("bob", ONE).await;
    let id = world.gives_up(&other).await;
    let reason = "seen on the phone".to_owned();
    assert!(done(
        &world.deal(id, DeadLetterAct::Discard { reason }).await
    ));
    world.settle(other.rows[0], 1, sent("p2")).await;
    assert_eq!(world.delivery(&other, 0).await.state, DeliveryState::Sent);
    assert_eq!(world.stands(id).await, DeadLetterState::Discarded);
}

/// What an operator has sent again is a line at the end of the conversation, marked late;
/// it waits for nothing, and nothing waits for it.
pub async fn a_late_delivery_waits_for_nothing_and_keeps_nothing_waiting(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", ONE).await;
    let id = world.gives_up(&talk).await;
    let later = world
        .talk("ana", &[("two", QUEUED), ("three", QUEUED)])
        .await;
    assert_eq!(world.attempt(later.rows[0], 1).await, Attempted::Granted);
    let before = world.counts().await;
    world.send_late(id).await;
    let place = world.place_of(id).await;
    assert!(place.number > later.rows[1].number, "it has moved");
    assert_eq!(world.counts().await.accepted, before.accepted);
    world.assert_balanced().await;
    assert_eq!(
        world.listed().await,
        [(place.number, QUEUED)],
        "the reply before it is on the wire"
    );
    assert_eq!(
        world.attempt(talk.rows[0], 2).await,
        Attempted::Lost,
        "nothing is left in its old place"
    );
    assert_eq!(world.attempt(place, 1).await, Attempted::Granted);
    world.settle(later.rows[0], 1, sent("p2")).await;
    assert_eq!(world.listed().await, [(later.rows[1].number, QUEUED)]);

    let lines = world.desk.lines(&address("ana"), place.number, 10).await;
    assert!(lines.unwrap().is_empty());
    let before = zupa_core::Number(place.number.0 - 1);
    let lines = world.desk.lines(&address("ana"), before, 10).await.unwrap();
    let said: Vec<_> = lines.iter().map(|line| (&*line.text, line.late)).collect();
    assert_eq!(said, [("one", true)]);
    let all = world
        .desk
        .lines(&address("ana"), zupa_core::Number(0), 10)
        .await
        .unwrap();
    assert_eq!(all.iter().filter(|line| line.late).count(), 1);

    let row = world.delivery(&talk, 0).await;
    assert!(row.late);
    assert_eq!(row.doubled, 1, "nobody knew whether it had left");
    let (world, _) = world.restart().await;
    assert_eq!(world.delivery(&talk, 0).await.number, place.number);
    world.assert_balanced().await;
    world.say_again(&later).await;
}

impl World<'_> {
    /// The conversation goes on behind the number that was given.
    async fn say_again(&self, before: &Talk) {
        let next = self.talk("ana", ONE).await;
        assert!(next.rows[0].number > before.rows[1].number);
        assert_eq!(self.delivery(&next, 0).await.number, next.rows[0].number);
    }
}

/// Our key leads to a message wherever it has moved.
pub async fn a_receipt_finds_a_late_delivery_by_our_key(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", ONE).await;
    let id = world.gives_up(&talk).await;
    world.send_late(id).await;
    let place = world.place_of(id).await;
    assert_eq!(world.attempt(place, 1).await, Attempted::Granted);
    let level = ReceiptLevel::Read;
    let key = Some(format!("{}.0", talk.turn.turn));
    world
        .hear_of("p1", ReceiptNews::Status { level, key })
        .await;
    let row = world.delivery(&talk, 0).await;
    assert_eq!((row.state, row.receipt), (DeliveryState::Sent, level));
    assert_eq!(world.stands(id).await, DeadLetterState::Done);
    assert!(world.due_deliveries().await.is_empty());
}
