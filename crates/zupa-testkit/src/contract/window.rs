//! Stop 5: a person who has not been heard for long is not spoken to freely.

use std::time::Duration;

use zupa_core::store::{Accept, Attempt, Attempted, Batch, Settlement};
use zupa_core::{Content, DeadLetterState, DeliveryState, ErrorKind, ReplyWindow, WhenClosed};

use super::Harness;
use super::dead_letters::done;
use super::redrives::letter_of;
use super::world::World;
use super::world::path::answered;
use super::world::wire::{Place, sent};

const QUEUED: DeliveryState = DeliveryState::Queued;
const TWO: &[(&str, DeliveryState)] = &[("one", QUEUED), ("two", QUEUED)];
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const TEMPLATE: WhenClosed = WhenClosed::Template { chars: 9 };
const WAIT: WhenClosed = WhenClosed::Wait { at_most: MONTH };
const MONTH: Duration = Duration::from_secs(30 * 86_400);

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
    for _ in 0..2 {
        let attempted = world.attempt_within(talk.rows[0], TEMPLATE).await;
        assert_eq!(attempted, Attempted::Closed);
        let view = world.delivery(&talk, 0).await;
        assert_eq!((view.state, view.attempts), (QUEUED, 0));
        world.pass(SECOND);
    }
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
    let closed = world.attempt_within(talk.rows[0], TEMPLATE).await;
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
    let closed = world.attempt_within(bob.rows[0], TEMPLATE).await;
    assert_eq!(closed, Attempted::Closed);
}

/// It keeps its place, is not listed, and is due when the person is there again.
pub async fn what_waits_for_the_person_is_left_alone_until_something_is_heard(
    harness: &dyn Harness,
) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", TWO).await;
    world.pass(DAY);
    let closed = world.attempt_within(talk.rows[0], WAIT).await;
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
    let granted = world.attempt_within(talk.rows[0], WAIT).await;
    assert_eq!(granted, Attempted::Granted);
}

/// It waits for so long and no longer, whatever is behind it; tried again it waits anew.
pub async fn what_has_waited_for_long_enough_fails(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let at_most = 3 * DAY;
    let wait = WhenClosed::Wait { at_most };
    let mut talk = world.talk("ana", &TWO[..1]).await;
    world.pass(DAY);
    for _ in 0..2 {
        let closed = world.attempt_within(talk.rows[0], wait).await;
        assert_eq!(closed, Attempted::Closed);
        world.pass(DAY - SECOND);
    }
    // Asking does not prolong it.
    assert_eq!(world.listed().await, []);
    world.pass(2 * SECOND);
    for round in 0..2 {
        let number = talk.rows[0].number;
        assert_eq!(world.listed().await, [(number, DeliveryState::Retry)]);
        let ended = world.attempt_within(talk.rows[0], wait).await;
        assert_eq!(ended, Attempted::Ended);
        let view = world.delivery(&talk, 0).await;
        assert_eq!((view.state, view.attempts), (DeliveryState::Failed, 0));
        assert_eq!(view.reason.as_deref(), Some(ReplyWindow::REASON));
        assert_eq!(view.settled_at, Some(world.now));
        let letter = world.letter(letter_of(&talk)).await;
        assert_eq!(letter.state, DeadLetterState::Pending);
        assert_eq!(
            (letter.class.as_str(), letter.attempts),
            (ReplyWindow::REASON, round + 1)
        );

        assert!(done(&world.redrive(letter_of(&talk)).await));
        world.follow(&mut talk).await;
        let closed = world.attempt_within(talk.rows[0], wait).await;
        assert_eq!(closed, Attempted::Closed);
        world.pass(at_most);
    }
}

/// What is behind what waits has waited as well.
pub async fn waits_of_a_lane_do_not_add_up(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let at_most = 3 * DAY;
    let wait = WhenClosed::Wait { at_most };
    let first = world.talk("ana", &TWO[..1]).await;
    let second = world.talk("ana", &TWO[..1]).await;
    world.pass(DAY);
    let closed = world.attempt_within(first.rows[0], wait).await;
    assert_eq!(closed, Attempted::Closed);
    world.pass(at_most - DAY);
    for talk in [&first, &second] {
        let ended = world.attempt_within(talk.rows[0], wait).await;
        assert_eq!(ended, Attempted::Ended);
    }
}

/// Only a template gets to a person who is silent: the first one leaves from behind the texts
/// that wait for them, and the others in their order. When the person is heard, the texts
/// come first again.
pub async fn templates_leave_from_behind_what_waits(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let mut commit = answered(&[("a", QUEUED), ("b", QUEUED), ("c", QUEUED), ("d", QUEUED)]);
    for row in [2, 3] {
        commit.outbound[row].outbound.content = Content::Template {
            name: "news".into(),
            language: "en".into(),
            parameters: Vec::new(),
            text: "soup".into(),
        };
    }
    let numbers = world.committed(&turn, commit).await;
    let place = |at: usize| Place {
        conversation,
        number: numbers[at],
    };
    world.pass(DAY);
    assert_eq!(world.listed().await, [(numbers[0], QUEUED)]);
    let closed = world.attempt_within(place(0), WAIT).await;
    assert_eq!(closed, Attempted::Closed);
    assert_eq!(world.listed().await, [(numbers[2], QUEUED)]);
    assert_eq!(world.attempt(place(2), 1).await, Attempted::Granted);
    assert_eq!(world.listed().await, []);
    world.settle(place(2), 1, sent("p1")).await;
    assert_eq!(world.listed().await, [(numbers[3], QUEUED)]);
    world.pass(SECOND);
    world.hear("ana", "hello again").await;
    assert_eq!(world.listed().await, [(numbers[0], DeliveryState::Retry)]);
    let granted = world.attempt_within(place(0), WAIT).await;
    assert_eq!(granted, Attempted::Granted);
    assert_eq!(world.listed().await, []);
}

/// What may not leave ends in the transaction that finds it so: it was never on the wire, and
/// whoever dies now leaves no doubt about it.
pub async fn what_may_not_leave_ends_without_an_attempt(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let review = world.talk("ana", TWO).await;
    let dropped = world.talk("bob", TWO).await;
    let held = world.talk("cyd", TWO).await;
    world.pass(DAY);
    for (talk, closed) in [(&review, WhenClosed::Review), (&dropped, WhenClosed::Drop)] {
        let ended = world.attempt_within(talk.rows[0], closed).await;
        assert_eq!(ended, Attempted::Ended);
        let again = world.attempt_within(talk.rows[0], closed).await;
        assert_eq!(again, Attempted::Lost);
    }
    world.hold(held.turn.conversation).await;
    let lost = world.attempt_within(held.rows[0], WhenClosed::Review).await;
    assert_eq!(lost, Attempted::Lost);

    let (world, _) = world.die().await;
    let states = [
        (&review, [DeliveryState::Failed, DeliveryState::Cancelled]),
        (&dropped, [DeliveryState::Cancelled, QUEUED]),
        (&held, [DeliveryState::Cancelled, DeliveryState::Cancelled]),
    ];
    for (talk, expected) in states {
        assert_eq!(world.states(talk).await, expected);
        let view = world.delivery(talk, 0).await;
        assert_eq!(view.attempts, 0);
        assert!(view.settled_at.is_some());
    }
    for talk in [&review, &dropped] {
        let reason = world.delivery(talk, 0).await.reason;
        assert_eq!(reason.as_deref(), Some(ReplyWindow::REASON));
    }
    let letters = world.dead_letters().await;
    let letters: Vec<_> = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(letters, [letter_of(&review)]);
    assert_eq!(world.listed().await, [(dropped.rows[1].number, QUEUED)]);
}

/// What the list calls heard is what the window opens for: neither old words that an operator
/// has put to the end, nor a message that was long on its way, come between the two.
pub async fn whoever_is_heard_is_written_to_whatever_stands_at_the_end(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    for (alias, ago) in [("ana", SECOND), ("bob", 2 * SECOND)] {
        let mut letters = Vec::new();
        for number in 0..9 {
            let (_, letter) = world.dies(alias, &format!("old {number}")).await;
            letters.push(letter);
        }
        let talk = world.talk(alias, &TWO[..1]).await;
        world.pass(DAY);
        let closed = world.attempt_within(talk.rows[0], WAIT).await;
        assert_eq!(closed, Attempted::Closed);
        for letter in &letters {
            assert!(done(&world.redrive(*letter).await));
        }
        assert_eq!(world.listed().await, [], "nothing new was heard");

        world.pass(SECOND);
        world.hear_late(alias, &format!("of {alias}"), ago).await;
        let conversation = talk.turn.conversation;
        let turn = world.claim(conversation).await;
        world.give_up(&turn).await;
        for letter in &letters {
            assert!(done(&world.redrive(*letter).await));
        }
        let number = talk.rows[0].number;
        assert_eq!(world.listed().await, [(number, DeliveryState::Retry)]);
        let granted = world.attempt_within(talk.rows[0], WAIT).await;
        assert_eq!(granted, Attempted::Granted, "{alias}");
        world.settle(talk.rows[0], 1, sent(alias)).await;
    }
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
