//! Time alone: timers, and waits that nobody settled.

use zupa_core::desk::Decided;
use zupa_core::store::{Claim, ClaimOutcome, Commit, TurnEnd};
use zupa_core::{ProcessId, TurnState, WaitId, WaitKind, WaitState};

use super::Harness;
use super::world::path::failure;
use super::world::waits::{MINUTE, handed, quiet, settled};
use super::world::{EXPIRY, World};

impl World<'_> {
    /// Takes up the timer that must be due.
    async fn fired(&self, conversation: zupa_core::ConversationId) -> WaitId {
        let turn = self.claim(conversation).await;
        let wait = settled(&turn);
        assert_eq!(handed(&turn), [wait], "a timer speaks for itself alone");
        assert_eq!(turn.waits[0].state, WaitState::Expired);
        self.answer(&turn, "it is time").await;
        wait
    }
}

/// A timer starts a turn of its own when its time has come: once, whatever dies
/// before and after. It parks nothing.
pub async fn a_timer_fires_once(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let timer = world.timer(world.after(60));
    let set = world.park("ana", vec![timer.clone()]).await;
    let conversation = set.conversation;
    let summary = world.view(set.turn).await.turn.unwrap();
    assert_eq!(summary.state, TurnState::Committed);
    assert!(world.expire().await.is_empty());
    let (mut world, _) = world.die().await;
    world.pass(MINUTE);
    assert_eq!(world.expire().await, [conversation]);
    assert!(world.expire().await.is_empty());
    let (world, _) = world.die().await;
    assert!(world.expire().await.is_empty());
    let turn = world.claim(conversation).await;
    assert_eq!(settled(&turn), timer.id);
    assert_eq!(turn.waits[0].opened, timer);
    let (world, _) = world.die().await;
    assert_eq!(world.fired(conversation).await, timer.id);
    let (mut world, _) = world.die().await;
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty());
    assert!(world.due().await.is_empty());
}

/// Timers of one conversation fire in the order of their times, not of their
/// opening; a parked turn beside them does not hold them up.
pub async fn timers_fire_in_the_order_of_their_times(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let seconds = [40, 20, 30];
    let timers = seconds.map(|at| world.timer(world.after(at)));
    let mut waits = timers.to_vec();
    waits.push(world.wait_for(WaitKind::Decision));
    let conversation = world.park("ana", waits).await.conversation;
    world.pass(MINUTE);
    assert_eq!(world.expire().await, [conversation], "named once");
    for timer in [&timers[1], &timers[2], &timers[0]] {
        assert_eq!(world.fired(conversation).await, timer.id);
    }
    assert!(world.due().await.is_empty());
}

/// At most so many at a time, the longest due first; the rest is not forgotten.
pub async fn what_runs_out_is_settled_longest_due_first(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut expected = Vec::new();
    for (alias, seconds) in [("ana", 30), ("bob", 10), ("cyd", 20)] {
        let timer = world.timer(world.after(seconds));
        let turn = world.park(alias, vec![timer]).await;
        expected.push((seconds, turn.conversation));
    }
    expected.sort_unstable();
    world.pass(MINUTE);
    let mut fired = Vec::new();
    for size in [2, 1, 0] {
        let due = world.expire_some(2).await;
        assert_eq!(due.len(), size);
        fired.extend(due.into_iter().map(|due| due.conversation));
    }
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    assert_eq!(fired, expected);
    assert_eq!(world.due().await.len(), 3);
}

/// While a turn is open, nothing of its conversation runs out: neither while it
/// runs, nor while it waits for its retry, nor after its process died.
pub async fn a_conversation_with_an_open_turn_is_left_for_later(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let reply = world.wait_until(WaitKind::Reply, world.after(60));
    let timer = world.timer(world.after(60));
    let waits = vec![reply.clone(), timer.clone()];
    let conversation = world.park("ana", waits).await.conversation;
    world.hear("ana", "yes").await;
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), [reply.id]);
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty());
    let retry = TurnEnd::Retry {
        not_before: world.after(60),
        failure: failure(),
    };
    world.end(&turn, retry).await;
    assert!(world.expire().await.is_empty());
    world.pass(MINUTE);
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), [reply.id]);
    let (world, _) = world.die().await;
    assert!(world.expire().await.is_empty());
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), [reply.id]);
    world
        .settle_by(&turn, &[(reply.id, WaitState::Decided)])
        .await;
    assert_eq!(world.expire().await, [conversation]);
    assert_eq!(world.wait_state(reply.id).await, WaitState::Decided);
    assert_eq!(world.fired(conversation).await, timer.id);
}

/// An operator who did not come in time is told so; the parked turn goes on
/// without a decision.
pub async fn a_decision_may_come_too_late(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let ends = world.wait_until(WaitKind::Decision, world.after(60));
    let open = world.wait_until(WaitKind::Decision, world.after(60));
    let conversation = world.park("ana", vec![ends.clone()]).await.conversation;
    let other = world.park("bob", vec![open.clone()]).await.conversation;
    world.pass(MINUTE);
    // Nobody has looked at the clock yet: the decision is the first to settle it.
    assert!(world.approve(open.id).await);
    assert_eq!(world.expire().await, [conversation]);
    let late = world.decide(ends.id).await;
    assert_eq!(late, Decided::Already(WaitState::Expired));
    let turn = world.claim(conversation).await;
    assert_eq!(settled(&turn), ends.id);
    assert_eq!(turn.waits[0].decision, None);
    let turn = world.claim(other).await;
    assert_eq!(turn.waits[0].decision, Some(world.verdict(true)));
}

/// A parked turn whose waits run out together goes on once.
pub async fn a_group_that_runs_out_together_goes_on_once(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let kinds = [WaitKind::Decision, WaitKind::Reply, WaitKind::Timer];
    let waits = kinds.map(|kind| world.wait_until(kind, world.after(60)));
    let conversation = world.park("ana", waits.to_vec()).await.conversation;
    world.pass(MINUTE);
    assert!(world.expire_some(1).await.is_empty(), "two are open still");
    assert_eq!(world.expire().await, [conversation]);
    assert_eq!(world.store.backlog().await.unwrap(), 1);
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), waits.map(|wait| wait.id));
    world.answer(&turn, "nobody came").await;
    assert!(world.expire().await.is_empty());
    assert!(world.due().await.is_empty());
}

/// A timer that was cancelled does not fire.
pub async fn a_cancelled_timer_does_not_fire(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let timer = world.timer(world.after(60));
    let conversation = world.park("ana", vec![timer.clone()]).await.conversation;
    world.hear("ana", "forget it").await;
    let turn = world.claim(conversation).await;
    let settles = vec![(timer.id, WaitState::Cancelled)];
    let again = world.timer(world.after(30));
    let waits = vec![again.clone()];
    world
        .leave(
            &turn,
            Commit {
                settles,
                waits,
                ..quiet()
            },
        )
        .await;
    world.pass(MINUTE);
    assert_eq!(world.expire().await, [conversation]);
    assert_eq!(world.wait_state(timer.id).await, WaitState::Cancelled);
    assert_eq!(world.fired(conversation).await, again.id);
    assert!(world.due().await.is_empty());
}

/// An expired claim that nobody took is an open turn, too, and the one who takes
/// it finds the waits as they were.
pub async fn a_claim_that_ran_out_keeps_the_waits(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let reply = world.wait_until(WaitKind::Reply, world.after(5));
    let conversation = world.park("ana", vec![reply.clone()]).await.conversation;
    world.hear("ana", "yes").await;
    world.claim(conversation).await;
    world.pass(2 * EXPIRY);
    assert!(world.expire().await.is_empty());
    let other = Claim {
        process: ProcessId(zupa_core::Ids::fresh(&world.ids)),
        ..world.wish(conversation)
    };
    let ClaimOutcome::Taken(turn) = world.try_claim_with(other).await else {
        panic!("the claim has run out");
    };
    assert_eq!(handed(&turn), [reply.id]);
}
