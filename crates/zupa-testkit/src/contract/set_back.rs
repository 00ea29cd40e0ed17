//! A wall clock that is set back, for stores whose times are those of their callers. A
//! store with a clock of its own moves its callers' times to it, and is left out: these
//! promises are not in [`CASES`](super::CASES).

use std::time::Duration;

use zupa_core::store::{ClaimOutcome, Settlement, TurnEnd};
use zupa_core::{Burst, DeliveryState, ErrorKind, Timestamp, WaitKind, WaitState};

use super::Harness;
use super::idle::rests;
use super::world::World;
use super::world::path::failure;

const HOUR: Duration = Duration::from_secs(60 * 60);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// Retries, bursts, claims and deliveries wait as long as they would have, once the
/// process has shown a sign of life in the new time.
pub async fn what_waits_is_not_held_up(harness: &dyn Harness) {
    held_up(harness, false).await;
}

/// The same where the clock was set back between two processes.
pub async fn what_waits_is_not_held_up_over_a_restart(harness: &dyn Harness) {
    held_up(harness, true).await;
}

async fn held_up(harness: &dyn Harness, restart: bool) {
    let mut world = World::open(harness).await;
    world.store.heartbeat(world.life()).await.unwrap();
    let failed = world.hear("ana", "a").await;
    let turn = world.claim(failed).await;
    let retry = TurnEnd::Retry {
        not_before: world.after(30),
        failure: failure(),
    };
    world.end(&turn, retry).await;

    let mut slow = world.message("bea", "b", "b");
    slow.burst = Burst {
        silence: HALF_A_MINUTE,
        max_wait: HALF_A_MINUTE,
        ..Burst::default()
    };
    world.accept_one(slow).await;

    // Nobody renews it, as when its run was lost.
    let lost = world.hear("carl", "c").await;
    world.claim(lost).await;

    let talk = world.talk("dora", &[("d", DeliveryState::Queued)]).await;
    world.attempt(talk.rows[0], 1).await;
    let later = Settlement::Retry {
        not_before: world.after(30),
        kind: ErrorKind::RateLimited,
    };
    world.settle(talk.rows[0], 1, later).await;

    let asked = world.wait_until(WaitKind::Decision, world.after(30));
    let asked_by = asked.expires_at;
    let parked = asked.id;
    world.park("emil", vec![asked]).await;

    let before = world.now;
    world.now = before.minus(HOUR);
    if restart {
        world = world.restart().await.0;
    } else {
        assert!(world.due().await.is_empty());
        world.store.heartbeat(world.life()).await.unwrap();
    }
    world.pass(Duration::from_secs(29));
    assert_eq!(world.due().await, [lost]);
    assert!(world.listed().await.is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.due().await.len(), 3);
    assert_eq!(world.listed().await.len(), 1);
    let outcome = world.try_claim(failed).await;
    assert!(matches!(outcome, ClaimOutcome::Taken(again) if again.turn == turn.turn));

    // What somebody named by the clock is as it was.
    assert_eq!(world.wait(parked).await.opened.expires_at, asked_by);
    assert!(world.expire().await.is_empty());
    world.now = before.plus(HALF_A_MINUTE);
    world.expire().await;
    assert_eq!(world.wait_state(parked).await, WaitState::Expired);
}

/// The agent is woken after as long a silence as it would have been.
pub async fn a_wake_is_not_held_up(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    world.store.heartbeat(world.life()).await.unwrap();
    let conversation = rests(&world, "ana", 60).await;
    world.now = world.now.minus(HOUR);
    world.store.heartbeat(world.life()).await.unwrap();
    world.pass(Duration::from_secs(59));
    assert!(world.expire().await.is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.expire().await, [conversation]);
}

/// Clocks are corrected in small steps all the time: those move nothing.
pub async fn small_steps_move_nothing(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    let not_before = world.after(30);
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
    world.now = Timestamp(world.now.0 - 60_000_000);
    world.store.heartbeat(world.life()).await.unwrap();
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::NotYet(at) if at == not_before));
}
