//! Stop 5: attempts on record before the wire, and a line that is kept.

use std::time::Duration;

use zupa_core::store::{Attempted, Batch, Delivery, OpenDoors, Settlement};
use zupa_core::{ChannelId, DeliveryState, ErrorKind, Lane};

use super::Harness;
use super::world::path::answered;
use super::world::wire::{Talk, sent};
use super::world::{EXPIRY, World, address, count};

const QUEUED: DeliveryState = DeliveryState::Queued;
const ONE: &[(&str, DeliveryState)] = &[("one", QUEUED)];
const THREE: &[(&str, DeliveryState)] = &[("one", QUEUED), ("two", QUEUED), ("three", QUEUED)];

impl World<'_> {
    async fn grant(&self, talk: &Talk, ordinal: usize, attempt: u32) {
        let granted = self.attempt(talk.rows[ordinal], attempt).await;
        assert_eq!(granted, Attempted::Granted);
    }

    /// What is listed is the row at `ordinal`, alone, in this state.
    async fn assert_head(&self, talk: &Talk, ordinal: usize, state: DeliveryState) {
        assert_eq!(self.listed().await, [(talk.rows[ordinal].number, state)]);
    }

    async fn assert_line_kept(&self) {
        assert_eq!(self.listed().await, []);
    }
}

/// Where the commit is the delivery, its rows are sent at once, and none waits
/// for an attempt.
pub async fn at_commit_rows_are_sent(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let rows = [("one", DeliveryState::Sent), ("two", DeliveryState::Sent)];
    let talk = world.talk("ana", &rows).await;
    assert_eq!(world.states(&talk).await, [DeliveryState::Sent; 2]);
    assert_eq!(world.delivery(&talk, 0).await.settled_at, Some(world.now));
    world.assert_line_kept().await;
    assert_eq!(world.attempt(talk.rows[0], 1).await, Attempted::Lost);
}

/// A queued row is listed with all that a send needs, tried, and sent.
pub async fn queued_then_attempt_then_sent(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", ONE).await;
    let due = world.due_deliveries().await;
    let [
        Delivery {
            id,
            number,
            to,
            content,
            state,
            attempts,
            ..
        },
    ] = due.as_slice()
    else {
        panic!("one delivery must be listed");
    };
    assert_eq!((id.turn, id.ordinal), (talk.turn.turn, 0));
    assert_eq!(*number, talk.rows[0].number);
    assert_eq!(*to, address("ana"));
    assert_eq!(content.as_prompt_text(), "one");
    assert_eq!((*state, *attempts), (QUEUED, 0));

    world.grant(&talk, 0, 1).await;
    let view = world.delivery(&talk, 0).await;
    assert_eq!((view.state, view.attempts), (DeliveryState::Sending, 1));
    world.assert_line_kept().await;

    world.pass(Duration::from_secs(1));
    world.settle(talk.rows[0], 1, sent("p1")).await;
    let view = world.delivery(&talk, 0).await;
    assert_eq!(view.state, DeliveryState::Sent);
    assert_eq!(view.settled_at, Some(world.now));
    world.assert_line_kept().await;
    assert_eq!(count(&world.counts().await.deliveries, "sent"), 1);
}

/// A row that the committer sends itself counts as its first attempt.
pub async fn a_row_written_as_sending_is_its_first_attempt(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let rows = [("one", DeliveryState::Sending), ("two", QUEUED)];
    let talk = world.talk("ana", &rows).await;
    let view = world.delivery(&talk, 0).await;
    assert_eq!((view.state, view.attempts), (DeliveryState::Sending, 1));
    world.assert_line_kept().await;
    assert_eq!(world.attempt(talk.rows[0], 1).await, Attempted::Lost);
    world.settle(talk.rows[0], 1, sent("p1")).await;
    world.assert_head(&talk, 1, QUEUED).await;
}

/// 64 wishes for the same attempt: one is granted. A wish that skips one, or
/// repeats one, is not.
pub async fn attempt_granted_once(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", ONE).await;
    assert_eq!(world.attempt(talk.rows[0], 2).await, Attempted::Lost);
    let batches = (0..64)
        .map(|_| Batch {
            attempt: vec![world.attempt_of(talk.rows[0], 1)],
            ..world.batch()
        })
        .collect();
    let mut granted = 0;
    for mut applied in world.write_at_once(batches).await {
        if applied.attempt.remove(0).unwrap() == Attempted::Granted {
            granted += 1;
        }
    }
    assert_eq!(granted, 1);
    assert_eq!(world.attempt(talk.rows[0], 2).await, Attempted::Lost);
    assert_eq!(world.delivery(&talk, 0).await.attempts, 1);
}

/// Only the head of each conversation is listed; other conversations do not
/// wait for it.
pub async fn order_head_of_line_per_conversation(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    // Bob was heard first and answered last: a delivery is as old as its commit.
    let bob = world.hear("bob", "hello").await;
    let ana = world.talk("ana", THREE).await;
    world.pass(Duration::from_secs(1));
    let turn = world.claim(bob).await;
    let bob = world.say(&turn, ONE).await;
    let later = world.talk("ana", ONE).await;
    let heads = |ana: &Talk, place: usize| [ana.rows[place].number, bob[0]];
    for place in 0..3 {
        let listed: Vec<_> = world.listed().await.iter().map(|row| row.0).collect();
        assert_eq!(listed, heads(&ana, place), "oldest first, heads only");
        let first = world.due_by(world.now, 1).await;
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].id.turn, ana.turn.turn);
        world.grant(&ana, place, 1).await;
        assert_eq!(world.listed().await.len(), 1, "the line is kept");
        world
            .settle(ana.rows[place], 1, sent(&format!("p{place}")))
            .await;
    }
    assert_eq!(world.listed().await.len(), 2);
    world.grant(&later, 0, 1).await;
}

/// However much waits for a door, it takes no place among those of another, and news none
/// among replies where replies alone are wanted.
pub async fn doors_are_listed_apart(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let turn = world.claim(world.hear("ana", "q").await).await;
    let mut commit = answered(&[("reply", QUEUED), ("news", QUEUED)]);
    commit.outbound[1].outbound.lane = Lane::Proactive;
    let rows = world.committed(&turn, commit).await;
    let own = || vec![address("ana").channel];
    let other = || vec![ChannelId::parse("elsewhere").unwrap()];
    let (reply, news) = (rows[0], rows[1]);
    for (all, replies, expected) in [
        (vec![], vec![], vec![]),
        (other(), other(), vec![]),
        (other(), own(), vec![reply]),
        (own(), vec![], vec![reply, news]),
        ([own(), other()].concat(), own(), vec![reply, news]),
    ] {
        let doors = OpenDoors { all, replies };
        let due = world.store.due_deliveries(world.now, &doors, 10).await;
        let due = due.unwrap().into_iter().map(|delivery| delivery.number);
        assert_eq!(due.collect::<Vec<_>>(), expected, "{doors:?}");
    }
}

/// What did not leave is tried again later, and keeps those behind it waiting.
pub async fn retryable_failure_blocks_those_behind(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", THREE).await;
    world.grant(&talk, 0, 1).await;
    let retry = Settlement::Retry {
        not_before: world.after(30),
        kind: ErrorKind::RateLimited,
    };
    world.settle(talk.rows[0], 1, retry).await;
    let view = world.delivery(&talk, 0).await;
    assert_eq!(view.state, DeliveryState::Retry);
    assert_eq!(view.reason.as_deref(), Some("rate_limited"));
    world.pass(Duration::from_secs(29));
    world.assert_line_kept().await;
    world.pass(Duration::from_secs(1));
    world.assert_head(&talk, 0, DeliveryState::Retry).await;
    world.grant(&talk, 0, 2).await;
    world.settle(talk.rows[0], 2, sent("p1")).await;
    world.assert_head(&talk, 1, QUEUED).await;
}

/// A send in doubt keeps the line until it is settled; then it may be sent
/// again, where the policy allows.
pub async fn in_doubt_blocks_until_settled(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", THREE).await;
    world.grant(&talk, 0, 1).await;
    let until = world.after(60);
    world
        .settle(talk.rows[0], 1, Settlement::InDoubt { until })
        .await;
    assert_eq!(world.delivery(&talk, 0).await.state, DeliveryState::InDoubt);
    assert_eq!(world.attempt(talk.rows[0], 2).await, Attempted::Lost);
    world.pass(Duration::from_secs(59));
    world.assert_line_kept().await;
    world.pass(Duration::from_secs(1));
    world.assert_head(&talk, 0, DeliveryState::InDoubt).await;

    // The wait may be made longer.
    let until = world.after(60);
    world
        .settle(talk.rows[0], 1, Settlement::InDoubt { until })
        .await;
    world.assert_line_kept().await;
    world.settle(talk.rows[0], 1, Settlement::SendAgain).await;
    world.assert_head(&talk, 0, QUEUED).await;
    world.grant(&talk, 0, 2).await;
    world.settle(talk.rows[0], 2, sent("p1")).await;
    world.assert_head(&talk, 1, QUEUED).await;
}

/// What stays unknown is parked, and the rest goes on.
pub async fn unknown_lets_the_rest_go(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", THREE).await;
    world.grant(&talk, 0, 1).await;
    let until = world.now;
    world
        .settle(talk.rows[0], 1, Settlement::InDoubt { until })
        .await;
    world.settle(talk.rows[0], 1, Settlement::Unknown).await;
    let states = world.states(&talk).await;
    assert_eq!(states, [DeliveryState::Unknown, QUEUED, QUEUED]);
    assert!(world.delivery(&talk, 0).await.settled_at.is_some());
    world.assert_head(&talk, 1, QUEUED).await;
    assert_eq!(world.attempt(talk.rows[0], 2).await, Attempted::Lost);
    assert_eq!(count(&world.counts().await.deliveries, "unknown"), 1);
}

/// A part that will never leave takes the later parts of its reply with it,
/// and nothing else.
pub async fn terminal_failure_cancels_later_parts_of_the_same_turn_only(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", THREE).await;
    let later = world.talk("ana", THREE).await;
    let bob = world.talk("bob", THREE).await;
    world.grant(&talk, 0, 1).await;
    world.settle(talk.rows[0], 1, sent("p1")).await;
    world.grant(&talk, 1, 1).await;
    let kind = ErrorKind::Invalid;
    world
        .settle(talk.rows[1], 1, Settlement::Failed { kind })
        .await;

    let states = world.states(&talk).await;
    let expected = [
        DeliveryState::Sent,
        DeliveryState::Failed,
        DeliveryState::Cancelled,
    ];
    assert_eq!(states, expected);
    assert_eq!(
        world.delivery(&talk, 1).await.reason.as_deref(),
        Some("invalid")
    );
    let cancelled = world.delivery(&talk, 2).await;
    assert!(cancelled.reason.is_some() && cancelled.settled_at.is_some());
    assert_eq!(world.attempt(talk.rows[2], 1).await, Attempted::Lost);
    assert_eq!(world.states(&later).await, [QUEUED; 3]);
    assert_eq!(world.states(&bob).await, [QUEUED; 3]);
    assert_eq!(world.listed().await.len(), 2);

    world.grant(&bob, 0, 1).await;
    world
        .settle(bob.rows[0], 1, Settlement::Failed { kind })
        .await;
    let (failed, cancelled) = (DeliveryState::Failed, DeliveryState::Cancelled);
    assert_eq!(world.states(&bob).await, [failed, cancelled, cancelled]);
    world.assert_head(&later, 0, QUEUED).await;
}

/// An attempt that nobody settled in its time is listed as in doubt.
pub async fn an_unanswered_attempt_is_listed_as_in_doubt(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let ana = world.talk("ana", ONE).await;
    world.grant(&ana, 0, 1).await;
    let bob = world.talk("bob", &[("one", DeliveryState::Sending)]).await;
    world.pass(EXPIRY - Duration::from_micros(1));
    world.assert_line_kept().await;
    world.pass(Duration::from_micros(1));
    let listed = world.listed().await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|row| row.1 == DeliveryState::InDoubt));

    // Whoever decides may settle it straight away.
    world.settle(ana.rows[0], 1, Settlement::Unknown).await;
    world.settle(bob.rows[0], 1, Settlement::SendAgain).await;
    assert_eq!(world.states(&ana).await, [DeliveryState::Unknown]);
    world.assert_head(&bob, 0, QUEUED).await;
}

/// What was on the wire at a death is in doubt after it, and keeps its line.
pub async fn sending_at_death_is_in_doubt_after_recover(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let ana = world.talk("ana", THREE).await;
    world.grant(&ana, 0, 1).await;
    let bob = world.talk("bob", &[("one", DeliveryState::Sending)]).await;
    let cyd = world.talk("cyd", &[("one", DeliveryState::Sent)]).await;

    let (mut world, recovery) = world.die().await;
    assert_eq!(recovery.deliveries_in_doubt, 2);
    let states = world.states(&ana).await;
    assert_eq!(states, [DeliveryState::InDoubt, QUEUED, QUEUED]);
    assert_eq!(world.states(&bob).await, [DeliveryState::InDoubt]);
    assert_eq!(world.states(&cyd).await, [DeliveryState::Sent]);
    assert_eq!(world.attempt(ana.rows[0], 2).await, Attempted::Lost);
    world.pass(EXPIRY);
    let listed = world.listed().await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|row| row.1 == DeliveryState::InDoubt));

    world.settle(ana.rows[0], 1, sent("p1")).await;
    assert_eq!(world.states(&ana).await[0], DeliveryState::Sent);
}
