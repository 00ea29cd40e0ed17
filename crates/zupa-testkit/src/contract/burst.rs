//! Stop 2: messages in quick succession are one claim, when their window has
//! closed.

use std::time::Duration;

use zupa_core::store::{Accepted, ClaimOutcome, Finished, TurnEnd};
use zupa_core::{Burst, ConversationId, DeliveryState, Timestamp};

use super::Harness;
use super::world::World;
use super::world::path::{answered, failure, texts};

const SECOND: Duration = Duration::from_secs(1);
const BURST: Burst = Burst {
    silence: Duration::from_secs(2),
    max_wait: Duration::from_secs(5),
    max_count: 4,
};

impl World<'_> {
    /// Hears a message of an agent that gathers; answers when it is due.
    async fn hear_gathering(&self, burst: Burst, text: &str) -> (ConversationId, Timestamp) {
        let mut message = self.message("ana", text, text);
        message.burst = burst;
        match self.accept_one(message).await {
            Accepted::Queued {
                conversation,
                due_at,
                ..
            } => (conversation, due_at),
            other => panic!("a first sighting must be queued, was {other:?}"),
        }
    }

    async fn not_before(&self, conversation: ConversationId) -> Timestamp {
        match self.try_claim(conversation).await {
            ClaimOutcome::NotYet(at) => at,
            other => panic!("an open window must not be claimed, was {other:?}"),
        }
    }
}

/// Five messages in three seconds are one claim that has them in order.
pub async fn coalescing_five_messages_are_one_claim_in_order(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let burst = Burst {
        max_count: 20,
        ..BURST
    };
    let mut conversation = None;
    for text in ["a", "b", "c", "d", "e"] {
        conversation = Some(world.hear_gathering(burst, text).await.0);
        world.pass(Duration::from_millis(750));
    }
    world.pass(2 * SECOND);
    let turn = world.claim(conversation.unwrap()).await;
    assert_eq!(texts(&turn), ["a", "b", "c", "d", "e"]);
    assert!(turn.inbounds.is_sorted_by_key(|inbound| inbound.number));
}

/// A full window closes at once.
pub async fn a_window_closes_by_count(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    for text in ["a", "b", "c"] {
        let (conversation, due_at) = world.hear_gathering(BURST, text).await;
        assert!(due_at > world.now);
        assert_eq!(world.not_before(conversation).await, due_at);
        world.pass(SECOND / 2);
    }
    let (conversation, due_at) = world.hear_gathering(BURST, "d").await;
    assert_eq!(due_at, world.now);
    assert_eq!(
        texts(&world.claim(conversation).await),
        ["a", "b", "c", "d"]
    );
}

/// A window closes after so much silence, and not a moment before.
pub async fn a_window_closes_by_silence(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    world.hear_gathering(BURST, "a").await;
    world.pass(SECOND);
    let (conversation, due_at) = world.hear_gathering(BURST, "b").await;
    assert_eq!(due_at, world.after(2));
    world.pass(2 * SECOND - Duration::from_micros(1));
    assert_eq!(world.not_before(conversation).await, due_at);
    assert!(world.due().await.is_empty());
    world.pass(Duration::from_micros(1));
    assert_eq!(world.due().await, [conversation]);
    assert_eq!(texts(&world.claim(conversation).await), ["a", "b"]);
}

/// A window closes after its longest wait, however much is still being typed.
pub async fn a_window_closes_by_its_longest_wait(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let burst = Burst {
        max_count: 20,
        ..BURST
    };
    let opened = world.now;
    for text in ["a", "b", "c", "d"] {
        world.hear_gathering(burst, text).await;
        world.pass(3 * SECOND / 2);
    }
    // 6 s after the first: the window closed at 5 s.
    let (conversation, due_at) = world.hear_gathering(burst, "e").await;
    assert_eq!(due_at, opened.plus(5 * SECOND));
    assert_eq!(
        texts(&world.claim(conversation).await),
        ["a", "b", "c", "d", "e"]
    );
}

/// What comes during a turn waits for the next one, in a window of its own.
pub async fn a_message_during_a_turn_waits_for_the_next(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, _) = world.hear_gathering(BURST, "a").await;
    world.pass(2 * SECOND);
    let turn = world.claim(conversation).await;
    world.pass(SECOND);
    world.hear_gathering(BURST, "b").await;
    let closes = world.after(2);
    assert!(matches!(
        world.try_claim(conversation).await,
        ClaimOutcome::Held(_)
    ));
    world.pass(SECOND);

    let commit = answered(&[("hi", DeliveryState::Sent)]);
    let end = TurnEnd::Commit(commit);
    match world.end(&turn, end).await {
        Finished::Done { due_at, .. } => assert_eq!(due_at, Some(closes)),
        other => panic!("the holder's commit must be written, was {other:?}"),
    }
    assert_eq!(world.not_before(conversation).await, closes);
    world.pass(SECOND);
    let next = world.claim(conversation).await;
    assert_eq!(texts(&next), ["b"]);
    assert_ne!(next.turn, turn.turn);
}

/// A death inside a window loses nothing of it, and the window closes when it
/// would have.
pub async fn a_window_outlives_a_death(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    world.hear_gathering(BURST, "a").await;
    world.pass(SECOND);
    let (_, due_at) = world.hear_gathering(BURST, "b").await;

    let (mut world, _) = world.die().await;
    let due = world.store.due(world.now, due_at, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].at, due_at);
    world.pass(2 * SECOND);
    let turn = world.claim(due[0].conversation).await;
    assert_eq!(texts(&turn), ["a", "b"]);
}

/// A window that opens while a range waits for its retry does not delay it.
pub async fn a_window_does_not_delay_a_retry(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, _) = world.hear_gathering(BURST, "a").await;
    world.pass(2 * SECOND);
    let turn = world.claim(conversation).await;
    let not_before = world.after(3);
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
    world.pass(2 * SECOND);
    world.hear_gathering(BURST, "b").await;
    let closes = world.after(2);
    assert_eq!(world.not_before(conversation).await, not_before);

    world.pass(SECOND);
    assert_eq!(world.due().await, [conversation]);
    let again = world.claim(conversation).await;
    assert_eq!(
        (again.turn, texts(&again)),
        (turn.turn, vec!["a".to_owned()])
    );
    world.answer(&again, "hi").await;
    assert_eq!(world.not_before(conversation).await, closes);
}
