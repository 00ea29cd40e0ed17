//! Invariant 7: every accepted inbound is in exactly one state. (Every write
//! of every case checks the sum, too.)

use std::time::Duration;

use zupa_core::store::{Accepted, TurnEnd, Verdict};
use zupa_core::{ReceiptNews, Timestamp};

use super::Harness;
use super::world::path::{failure, queued, wordless};
use super::world::{World, count};

const DAY: Duration = Duration::from_secs(86_400);

/// One inbound in each state that there is, each counted there, over a death.
pub async fn counts_obey_invariant_7(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let answered = world.claim(world.hear("answered", "a").await).await;
    world.answer(&answered, "hi").await;
    let silent = world.claim(world.hear("silent", "a").await).await;
    world
        .end(&silent, wordless(Verdict::Silent("quiet".into())))
        .await;
    let dead = world.claim(world.hear("dead", "a").await).await;
    world.end(&dead, wordless(Verdict::Dead(failure()))).await;
    world.accept_one(world.message("revoked", "m1", "a")).await;
    world.hear_of("m1", ReceiptNews::Revoke).await;
    let mut expired = world.message("expired", "m2", "a");
    expired.inbound.platform_time = Some(Timestamp(0));
    world.accept_one(expired).await;

    world.hear("queued", "a").await;
    world.claim(world.hear("claimed", "a").await).await;
    world.hear("claimed", "behind it").await;
    let waiting = world.claim(world.hear("waiting", "a").await).await;
    let not_before = world.after(60);
    let failed = failure();
    world
        .end(
            &waiting,
            TurnEnd::Retry {
                not_before,
                failure: failed,
            },
        )
        .await;
    let split = world.claim(world.hear("split", "a").await).await;
    world
        .end(&split, TurnEnd::Split { failure: failure() })
        .await;
    // A duplicate and a conflict are not accepted a second time.
    world.accept_one(world.message("revoked", "m1", "a")).await;
    world.accept_one(world.message("revoked", "m1", "b")).await;

    let before = world.counts().await;
    assert_eq!(before.accepted, 10);
    for (state, expected) in [("answered", 1), ("silent", 2), ("dead", 1), ("expired", 1)] {
        assert_eq!(count(&before.ended, state), expected, "{state}");
    }
    for (state, expected) in [("claimed", 2), ("queued", 3)] {
        assert_eq!(count(&before.open, state), expected, "{state}");
    }
    assert!(before.is_balanced());
    assert_eq!(world.store.backlog().await.unwrap(), 5);
    let (world, _) = world.die().await;
    assert_eq!(world.counts().await, before);
}

/// A purge forgets the ids of what has ended long ago, never of what is open,
/// and moves no count.
pub async fn purge_never_touches_open_rows_and_keeps_totals(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut messages = Vec::new();
    for alias in ["ended", "open", "claimed"] {
        messages.push(world.message(alias, alias, "hello"));
    }
    let mut conversations = Vec::new();
    for answer in world.accept(messages).await {
        conversations.push(queued(&answer.unwrap()).0);
    }
    let ended = world.claim(conversations[0]).await;
    world.answer(&ended, "hi").await;
    world.claim(conversations[2]).await;
    world.pass(DAY);
    let young = world.claim(world.hear("young", "hello").await).await;
    world.answer(&young, "hi").await;
    let before = world.counts().await;

    let gone = world.store.purge(world.now, world.now, 100).await.unwrap();
    assert_eq!(gone, 2, "one id and one raw payload");
    assert_eq!(world.counts().await, before);
    let again = world.store.purge(world.now, world.now, 100).await.unwrap();
    assert_eq!(again, 0);

    for alias in ["open", "claimed"] {
        let answer = world.accept_one(world.message(alias, alias, "hello")).await;
        assert!(matches!(answer, Accepted::Duplicate { .. }), "{alias}");
    }
    assert_eq!(world.counts().await, before);
    let (world, _) = world.die().await;
    let turn = world.claim(conversations[2]).await;
    world.answer(&turn, "hi").await;
    assert_eq!(world.store.backlog().await.unwrap(), 1);
}

/// An id that was forgotten may come again, unless its platform time says that
/// it is too old.
pub async fn a_purged_id_is_new_again_or_expired(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = {
        let first = world.accept_one(world.message("ana", "m1", "hello")).await;
        queued(&first).0
    };
    let sent_at = world.now;
    let turn = world.claim(conversation).await;
    world.answer(&turn, "hi").await;
    world.pass(15 * DAY);
    world
        .store
        .purge(world.now.minus(14 * DAY), sent_at, 100)
        .await
        .unwrap();

    let mut late = world.message("ana", "m1", "hello");
    late.inbound.platform_time = Some(sent_at);
    let answer = world.accept_one(late).await;
    assert_eq!(answer, Accepted::Expired { conversation });

    world.pass(15 * DAY);
    world
        .store
        .purge(world.now.minus(14 * DAY), sent_at, 100)
        .await
        .unwrap();
    let mut new = world.message("ana", "m1", "hello");
    new.inbound.platform_time = None;
    queued(&world.accept_one(new).await);
    assert_eq!(world.counts().await.accepted, 3);
}

/// A purge takes at most as many rows as it was told, so it can be paced.
pub async fn a_purge_is_bounded(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    for alias in ["a", "b", "c", "d", "e"] {
        let turn = world.claim(world.hear(alias, "hello").await).await;
        world.answer(&turn, "hi").await;
    }
    world.pass(DAY);
    let never = Timestamp(0);
    let mut purged = Vec::new();
    for _ in 0..4 {
        purged.push(world.store.purge(world.now, never, 2).await.unwrap());
    }
    assert_eq!(purged, [2, 2, 1, 0]);
}
