//! Stop 5: a person who has not been heard for long is not spoken to freely.

use std::time::Duration;

use zupa_core::store::{Accept, Attempt, Attempted, Batch, Settlement};
use zupa_core::{DeliveryState, ErrorKind, ReplyWindow, WhenClosed};

use super::Harness;
use super::world::World;
use super::world::wire::Place;

const QUEUED: DeliveryState = DeliveryState::Queued;
const TWO: &[(&str, DeliveryState)] = &[("one", QUEUED), ("two", QUEUED)];
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

impl World<'_> {
    async fn attempt_within(&self, place: Place, closed: WhenClosed) -> Attempted {
        let window = ReplyWindow {
            open_for: DAY,
            closed,
        };
        let attempt = Attempt {
            window: Some(window),
            ..self.attempt_of(place, 1)
        };
        let batch = Batch {
            attempt: vec![attempt],
            ..self.batch()
        };
        self.write(batch).await.attempt.remove(0).unwrap()
    }

    /// Hears something that was said a while ago.
    async fn hear_late(&self, alias: &str, id: &str, ago: Duration) {
        let mut late = self.message(alias, id, "hello?");
        late.inbound.platform_time = Some(self.now.minus(ago));
        self.accept_one(Accept { ..late }).await;
    }
}

/// A day after the person's last word nothing leaves, and nothing has changed.
pub async fn it_closes_to_the_second(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", TWO).await;
    let other = world.talk("bob", TWO).await;
    world.pass(DAY - SECOND);
    let granted = world
        .attempt_within(other.rows[0], WhenClosed::Review)
        .await;
    assert_eq!(granted, Attempted::Granted);
    world.pass(SECOND);
    for closed in [
        WhenClosed::Review,
        WhenClosed::Drop,
        WhenClosed::Template { chars: 9 },
    ] {
        let attempted = world.attempt_within(talk.rows[0], closed).await;
        assert_eq!(attempted, Attempted::Closed);
        let view = world.delivery(&talk, 0).await;
        assert_eq!((view.state, view.attempts), (QUEUED, 0), "{closed:?}");
    }
    world.pass(SECOND);
    let attempted = world.attempt_within(talk.rows[0], WhenClosed::Review).await;
    assert_eq!(attempted, Attempted::Closed);
    let lost = world
        .attempt_within(other.rows[0], WhenClosed::Review)
        .await;
    assert_eq!(lost, Attempted::Lost, "it was tried before");
    // Without the question it leaves.
    assert_eq!(world.attempt(talk.rows[0], 1).await, Attempted::Granted);
}

/// When it was said counts, not when it was heard; and of all that was said the newest.
pub async fn the_platforms_time_counts_and_the_newest_word(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", TWO).await;
    world.pass(DAY);
    world.hear_late("ana", "m1", DAY).await;
    let closed = world.attempt_within(talk.rows[0], WhenClosed::Review).await;
    assert_eq!(closed, Attempted::Closed);
    world.hear_late("ana", "m2", SECOND).await;
    world.hear_late("ana", "m3", DAY).await;
    let granted = world.attempt_within(talk.rows[0], WhenClosed::Review).await;
    assert_eq!(granted, Attempted::Granted);
    // Nobody has spoken after now.
    let bob = world.talk("bob", TWO).await;
    let mut early = world.message("bob", "m4", "hello?");
    early.inbound.platform_time = Some(world.now.plus(DAY));
    world.accept_one(early).await;
    world.pass(DAY);
    let closed = world.attempt_within(bob.rows[0], WhenClosed::Review).await;
    assert_eq!(closed, Attempted::Closed);
}

/// It keeps its place, is not listed, and is due when the person is there again.
pub async fn what_waits_for_the_person_is_left_alone_until_something_is_heard(
    harness: &dyn Harness,
) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", TWO).await;
    world.pass(DAY);
    let closed = world.attempt_within(talk.rows[0], WhenClosed::Wait).await;
    assert_eq!(closed, Attempted::Closed);
    let view = world.delivery(&talk, 0).await;
    assert_eq!((view.state, view.attempts), (DeliveryState::Retry, 0));
    assert_eq!(view.reason.as_deref(), Some(ReplyWindow::REASON));
    world.pass(DAY);
    assert_eq!(world.listed().await, []);
    let (mut world, _) = world.die().await;
    assert_eq!(world.listed().await, []);
    world.pass(SECOND);
    world.hear("ana", "hello again").await;
    let number = talk.rows[0].number;
    assert_eq!(world.listed().await, [(number, DeliveryState::Retry)]);
    let granted = world.attempt_within(talk.rows[0], WhenClosed::Wait).await;
    assert_eq!(granted, Attempted::Granted);
}

/// What is not to leave any more is cancelled, with the reason; what is behind it stays.
pub async fn what_is_dropped_is_no_dead_letter(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", TWO).await;
    assert_eq!(world.attempt(talk.rows[0], 1).await, Attempted::Granted);
    let kind = ErrorKind::WindowClosed;
    world
        .settle(talk.rows[0], 1, Settlement::Cancelled { kind })
        .await;
    let view = world.delivery(&talk, 0).await;
    assert_eq!(view.state, DeliveryState::Cancelled);
    assert_eq!(view.reason.as_deref(), Some(ReplyWindow::REASON));
    assert_eq!(view.settled_at, Some(world.now));
    assert_eq!(world.listed().await, [(talk.rows[1].number, QUEUED)]);
    let letters = world.desk.dead_letters(&Default::default(), None, 10).await;
    assert_eq!(letters.unwrap().len(), 0);
}
