//! Internal inbounds: what a settled wait puts into the conversation's line.

use std::time::Duration;

use zupa_core::store::{Batch, ClaimOutcome, TurnEnd};
use zupa_core::{Burst, ConversationId, DeliveryState, InboundState, Number, WaitId, WaitKind};

use super::Harness;
use super::world::path::{queued, texts};
use super::world::waits::{handed, settled};
use super::world::{World, address, count};

const SECOND: Duration = Duration::from_secs(1);
const BURST: Burst = Burst {
    silence: Duration::from_secs(10),
    max_wait: Duration::from_secs(30),
    max_count: 3,
};

impl World<'_> {
    /// A conversation whose turn waits for an operator.
    async fn parked(&self, alias: &str) -> (ConversationId, WaitId) {
        let wait = self.wait_for(WaitKind::Decision);
        let turn = self.park(alias, vec![wait.clone()]).await;
        (turn.conversation, wait.id)
    }

    /// Hears a message of an agent that gathers.
    async fn gather(&self, alias: &str, text: &str) {
        let mut message = self.message(alias, text, text);
        message.burst = BURST;
        queued(&self.accept_one(message).await);
    }
}

/// A claim takes what comes before an internal inbound, then that one alone, then
/// what comes behind it: the order is that of the numbers.
pub async fn a_range_ends_before_an_internal_inbound(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, wait) = world.parked("ana").await;
    for text in ["a", "b"] {
        world.hear("ana", text).await;
    }
    assert!(world.approve(wait).await);
    for text in ["c", "d"] {
        world.hear("ana", text).await;
    }
    let (world, _) = world.die().await;
    let first = world.claim(conversation).await;
    assert_eq!(texts(&first), ["a", "b"]);
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, texts(&again)), (first.turn, texts(&first)));
    world.answer(&again, "1").await;
    assert_eq!(world.due().await, [conversation]);

    let second = world.claim(conversation).await;
    assert_eq!((settled(&second), second.first()), (wait, Number(4)));
    world.hear("ana", "e").await;
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, settled(&again)), (second.turn, wait));
    world.answer(&again, "2").await;
    assert_eq!(world.due().await, [conversation]);

    let third = world.claim(conversation).await;
    assert_eq!(texts(&third), ["c", "d", "e"]);
    world.answer(&third, "3").await;
    let nothing = world.try_claim(conversation).await;
    assert!(matches!(nothing, ClaimOutcome::Nothing));
}

/// An offer takes what is first in the line, be it internal, and not what it came
/// with.
pub async fn an_offer_takes_the_head_of_the_line(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, wait) = world.parked("ana").await;
    assert!(world.approve(wait).await);
    let mut message = world.message("ana", "m", "behind");
    message.offer = Some(world.offer());
    let batch = Batch {
        accept: vec![message],
        ..world.batch()
    };
    let taken = world.write(batch).await.taken.remove(0).unwrap();
    assert_eq!((settled(&taken), handed(&taken)), (wait, vec![wait]));
    world.answer(&taken, "done").await;
    assert_eq!(texts(&world.claim(conversation).await), ["behind"]);
}

/// Two settled waits are two internal inbounds, each a turn of its own, in the
/// order in which they were settled.
pub async fn internal_inbounds_are_claimed_one_by_one(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, one) = world.parked("ana").await;
    let (_, two) = world.parked("ana").await;
    assert!(world.approve(two).await);
    assert!(world.approve(one).await);
    for wait in [two, one] {
        assert_eq!(world.due().await, [conversation]);
        let turn = world.claim(conversation).await;
        assert_eq!((settled(&turn), handed(&turn)), (wait, vec![wait]));
        world.answer(&turn, "done").await;
    }
    assert!(world.due().await.is_empty());
}

/// A range that was split is still tried one by one, and what comes behind it
/// keeps its place.
pub async fn a_split_range_keeps_its_place_before_an_internal_inbound(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, wait) = world.parked("ana").await;
    for text in ["a", "b"] {
        world.hear("ana", text).await;
    }
    let turn = world.claim(conversation).await;
    assert!(world.approve(wait).await);
    world.hear("ana", "c").await;
    let head = world.desk.audit(conversation).await.unwrap().len() as u64;
    let split = TurnEnd::Split {
        failure: super::world::path::failure(),
    };
    let mut finish = world.finish_of(&turn, split);
    let moved = world.finish(finish.clone()).await;
    let zupa_core::store::Finished::HeadMoved(moved) = moved else {
        panic!("the decision has moved the head");
    };
    assert_eq!(moved.number, head);
    finish.audit_head = moved;
    finish.audit = vec![world.link(moved, &turn, "turn.split")];
    world.finish(finish).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        assert_eq!(world.due().await, [conversation]);
        let turn = world.claim(conversation).await;
        assert_eq!(turn.inbounds.len(), 1);
        order.push(turn.first().0);
        world.answer(&turn, "ok").await;
    }
    assert_eq!(order, [2, 3, 4, 5]);
    assert!(world.due().await.is_empty());
}

/// An internal inbound is due at once and closes the window of what waits before
/// it; what comes behind it has a window of its own.
pub async fn an_internal_inbound_closes_the_window_before_it(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, wait) = world.parked("ana").await;
    world.gather("ana", "a").await;
    world.pass(SECOND);
    world.gather("ana", "b").await;
    let not_yet = world.try_claim(conversation).await;
    assert!(matches!(not_yet, ClaimOutcome::NotYet(_)));
    world.pass(SECOND);
    assert!(world.approve(wait).await);
    assert_eq!(world.due().await, [conversation]);
    world.gather("ana", "c").await;
    let opened = world.now;
    assert_eq!(
        world.due().await,
        [conversation],
        "what waits is due already"
    );

    let first = world.claim(conversation).await;
    assert_eq!(texts(&first), ["a", "b"]);
    world.answer(&first, "1").await;
    let second = world.claim(conversation).await;
    assert_eq!(settled(&second), wait);
    world.pass(4 * SECOND);
    world.gather("ana", "d").await;
    world.answer(&second, "2").await;

    let ClaimOutcome::NotYet(closes_at) = world.try_claim(conversation).await else {
        panic!("the window of what came behind is open");
    };
    assert_eq!(closes_at, opened.plus(14 * SECOND));
    world.pass(SECOND);
    world.gather("ana", "e").await;
    let third = world.claim(conversation).await;
    assert_eq!(texts(&third), ["c", "d", "e"], "three are a full window");
}

/// A window that is open while a turn runs is closed by what is settled then.
pub async fn a_window_behind_a_turn_is_closed_as_well(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, wait) = world.parked("ana").await;
    world.hear("ana", "a").await;
    let running = world.claim(conversation).await;
    world.gather("ana", "b").await;
    world.pass(SECOND);
    assert!(world.approve(wait).await);
    let end = super::world::path::answered(&[("1", DeliveryState::Sent)]);
    let mut finish = world.finish_of(&running, TurnEnd::Commit(end));
    let chain = world.desk.audit(conversation).await.unwrap();
    let last = chain.last().unwrap();
    (finish.audit_head.number, finish.audit_head.hash) = (last.number, last.hash);
    finish.audit = vec![world.link(finish.audit_head, &running, "turn.committed")];
    world.finish(finish).await;
    assert_eq!(world.due().await, [conversation]);
    let next = world.claim(conversation).await;
    assert_eq!(texts(&next), ["b"]);
    world.answer(&next, "2").await;
    assert_eq!(settled(&world.claim(conversation).await), wait);
}

/// Nobody said it: an internal inbound is in no history and no line. It is
/// counted like any other, and found by its event.
pub async fn internal_inbounds_are_counted_and_not_shown(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, wait) = world.parked("ana").await;
    let (accepted, lines) = (1, 1);
    assert_eq!(world.counts().await.accepted, accepted);
    assert_eq!(world.store.backlog().await.unwrap(), 0);
    world.approve(wait).await;
    let counts = world.counts().await;
    assert_eq!((counts.accepted, count(&counts.open, "queued")), (2, 1));
    assert_eq!(world.store.backlog().await.unwrap(), 1);
    let turn = world.claim(conversation).await;
    let counts = world.counts().await;
    assert_eq!(count(&counts.open, "claimed"), 1);
    assert_eq!(world.store.backlog().await.unwrap(), 1);
    world.say(&turn, &[("done", DeliveryState::Sent)]).await;
    let counts = world.counts().await;
    assert_eq!(count(&counts.ended, "answered"), 1);
    assert_eq!(world.store.backlog().await.unwrap(), 0);

    let shown = world.desk.lines(&address("ana"), Number(0), 100).await;
    let shown: Vec<_> = shown.unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(shown.len(), lines + 1);
    assert_eq!(shown, ["hello", "done"]);
    let history = world.history(conversation).await;
    let remembered: Vec<_> = history.into_iter().map(|line| line.text).collect();
    assert_eq!(remembered, ["hello", "done"]);

    let event = turn.inbounds[0].event.to_string();
    let found = world.desk.turn(&event).await.unwrap().unwrap();
    assert_eq!(found.turn.unwrap().id, turn.turn);
    assert_eq!(found.inbounds[0].state, InboundState::Answered);
}

/// The platform may name its messages as it likes: none of them is taken for an
/// internal inbound, nor the other way round.
pub async fn a_platform_may_use_the_same_id(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, wait) = world.parked("ana").await;
    let id = format!("wait:{wait}");
    world.accept_one(world.message("ana", &id, "before")).await;
    assert!(world.approve(wait).await);
    let other = wait_named_like(&world, "ana").await;
    assert_eq!(texts(&world.claim(conversation).await), ["before"]);
    assert_ne!(other, wait);
}

/// Settles another wait first, then hears a message under its id.
async fn wait_named_like(world: &World<'_>, alias: &str) -> WaitId {
    let (_, wait) = world.parked("bob").await;
    assert!(world.approve(wait).await);
    let id = format!("wait:{wait}");
    queued(&world.accept_one(world.message(alias, &id, "after")).await);
    wait
}

/// A turn without a word of its own keeps its place among the others: before
/// what was answered behind it, behind what was answered before it.
pub async fn a_turn_without_words_keeps_its_place(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q0").await;
    let first = world.claim(conversation).await;
    world.hear("ana", "q1").await;
    world.answer(&first, "a0").await;
    let second = world.claim(conversation).await;
    world.hear("ana", "q2").await;
    world.settle_by(&second, &[]).await;
    let third = world.claim(conversation).await;
    world.answer(&third, "a2").await;
    let history = world.history(conversation).await;
    let remembered: Vec<_> = history.into_iter().map(|line| line.text).collect();
    assert_eq!(remembered, ["q0", "a0", "q1", "q2", "a2"]);
}
