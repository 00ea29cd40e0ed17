//! Acts under a key are begun once, and answered the same.

use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;
use zupa_core::idempotency::{Begin, Begun, Keep, KeptAnswer, Scope};
use zupa_core::{Digest, IdempotencyKey, Ids};

use super::Harness;
use super::world::World;

const LEASE: u64 = 60;
const KEPT: u64 = 3_600;

fn key(name: &str) -> IdempotencyKey {
    let scope = Scope {
        principal: "operator",
        tenant: "",
        operation: "POST /transfer",
    };
    IdempotencyKey::parse(scope, &format!("key-of-characters-{name}")).unwrap()
}

fn answer(body: &[u8]) -> KeptAnswer {
    KeptAnswer {
        status: 201,
        content_type: Some("application/json".into()),
        body: body.to_vec(),
    }
}

impl World<'_> {
    fn a_try(&self, key: IdempotencyKey, request: &[u8]) -> Begin {
        Begin {
            key,
            request: Digest::of(request),
            holder: self.ids.fresh(),
            now: self.now,
            lease_until: self.after(LEASE),
        }
    }

    /// Begins an act; answers the try, too.
    async fn begin(&self, key: IdempotencyKey, request: &[u8]) -> (Begun, Uuid) {
        let begin = self.a_try(key, request);
        (self.keys.begin(begin).await.unwrap(), begin.holder)
    }

    async fn keep(&self, key: IdempotencyKey, holder: Uuid, body: &[u8]) -> bool {
        let keep = Keep {
            key,
            holder,
            answer: answer(body),
            now: self.now,
            until: self.after(KEPT),
        };
        self.keys.keep(keep).await.unwrap()
    }
}

/// The first try begins; those that come meanwhile and later are told how it stands, and
/// the answer comes back byte for byte.
pub async fn an_act_is_begun_once_and_its_answer_kept(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (begun, holder) = world.begin(key("a"), b"one").await;
    assert_eq!(begun, Begun::Fresh);
    assert_eq!(world.begin(key("a"), b"one").await.0, Begun::Running);
    let body = b"{\"no\": \"JSON\xff\x00\"}\n".as_slice();
    assert!(world.keep(key("a"), holder, body).await);
    assert!(
        world.keep(key("a"), holder, body).await,
        "whoever did not hear of it keeps it again"
    );
    let again = world.begin(key("a"), b"one").await.0;
    assert_eq!(again, Begun::Answered(answer(body)));
    assert_eq!(world.begin(key("b"), b"one").await.0, Begun::Fresh);
}

/// However many come at once, one of them begins.
pub async fn of_many_tries_at_once_one_begins(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let tries = (0..16).map(|_| {
        let (keys, begin) = (world.keys.clone(), world.a_try(key("a"), b"one"));
        tokio::spawn(async move { keys.begin(begin).await.unwrap() })
    });
    let begun: Vec<Begun> = join_all(tries)
        .await
        .into_iter()
        .map(|task| task.unwrap())
        .collect();
    let fresh = begun.iter().filter(|begun| **begun == Begun::Fresh);
    assert_eq!(fresh.count(), 1, "{begun:?}");
    let running = begun.iter().filter(|begun| **begun == Begun::Running);
    assert_eq!(running.count(), 15, "{begun:?}");
}

/// A key stands for one request, while it runs and when it is answered.
pub async fn another_request_is_told_so(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (_, holder) = world.begin(key("a"), b"one").await;
    assert_eq!(world.begin(key("a"), b"two").await.0, Begun::OtherRequest);
    assert!(world.keep(key("a"), holder, b"done").await);
    assert_eq!(world.begin(key("a"), b"two").await.0, Begun::OtherRequest);
    let again = world.begin(key("a"), b"one").await.0;
    assert_eq!(again, Begun::Answered(answer(b"done")));
}

/// What failed can be tried again at once, also with another request.
pub async fn a_failure_frees_the_key(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (_, holder) = world.begin(key("a"), b"one").await;
    world.keys.free(key("a"), holder).await.unwrap();
    world.keys.free(key("a"), holder).await.unwrap();
    let (begun, holder) = world.begin(key("a"), b"two").await;
    assert_eq!(begun, Begun::Fresh);
    assert!(world.keep(key("a"), holder, b"done").await);
    world.keys.free(key("a"), holder).await.unwrap();
    let again = world.begin(key("a"), b"two").await.0;
    assert_eq!(
        again,
        Begun::Answered(answer(b"done")),
        "what is answered is not freed"
    );
}

/// A try whose process died is taken over when its lease is over, and not before.
pub async fn a_try_that_is_left_behind_ends_with_its_lease(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    assert_eq!(world.begin(key("a"), b"one").await.0, Begun::Fresh);
    world.pass(Duration::from_secs(LEASE - 1));
    assert_eq!(world.begin(key("a"), b"one").await.0, Begun::Running);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.begin(key("a"), b"one").await.0, Begun::Fresh);
    assert_eq!(world.begin(key("a"), b"one").await.0, Begun::Running);
}

/// A try that was too slow changes nothing of what came after it.
pub async fn who_has_lost_the_key_keeps_and_frees_nothing(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (_, slow) = world.begin(key("a"), b"one").await;
    world.pass(Duration::from_secs(LEASE));
    let (begun, holder) = world.begin(key("a"), b"one").await;
    assert_eq!(begun, Begun::Fresh);
    assert!(!world.keep(key("a"), slow, b"late").await);
    world.keys.free(key("a"), slow).await.unwrap();
    assert_eq!(world.begin(key("a"), b"one").await.0, Begun::Running);
    assert!(world.keep(key("a"), holder, b"done").await);
    let again = world.begin(key("a"), b"one").await.0;
    assert_eq!(again, Begun::Answered(answer(b"done")));
    assert!(!world.keep(key("b"), slow, b"of nothing").await);
}

/// An answer is replayed until its time, and then its key is as good as new; what is over
/// is forgotten in bites.
pub async fn an_answer_is_kept_for_its_time_and_then_forgotten(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    for name in ["a", "b", "c"] {
        let (_, holder) = world.begin(key(name), b"one").await;
        assert!(world.keep(key(name), holder, b"done").await);
    }
    world.pass(Duration::from_secs(KEPT - 1));
    let (begun, left) = world.begin(key("left"), b"one").await;
    assert_eq!(begun, Begun::Fresh);
    assert_eq!(world.keys.forget(world.now, 100).await.unwrap(), 0);
    let again = world.begin(key("a"), b"one").await.0;
    assert_eq!(again, Begun::Answered(answer(b"done")));
    world.pass(Duration::from_secs(1));
    // Whoever begins tells a store that has no clock of its own what time it is.
    let (begun, _) = world.begin(key("a"), b"another").await;
    assert_eq!(begun, Begun::Fresh);
    assert_eq!(world.keys.forget(world.now, 1).await.unwrap(), 1);
    assert_eq!(world.keys.forget(world.now, 100).await.unwrap(), 1);
    assert_eq!(world.keys.forget(world.now, 100).await.unwrap(), 0);
    assert_eq!(world.begin(key("a"), b"another").await.0, Begun::Running);
    assert!(world.keep(key("left"), left, b"done").await);
}

/// Answers are kept across processes; a try of the dead one ends with its lease.
pub async fn an_answer_outlives_a_death(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (_, holder) = world.begin(key("a"), b"one").await;
    assert!(world.keep(key("a"), holder, b"done").await);
    assert_eq!(world.begin(key("b"), b"one").await.0, Begun::Fresh);
    let (mut world, _) = world.die().await;
    let again = world.begin(key("a"), b"one").await.0;
    assert_eq!(again, Begun::Answered(answer(b"done")));
    assert_eq!(world.begin(key("b"), b"one").await.0, Begun::Running);
    world.pass(Duration::from_secs(LEASE));
    assert_eq!(world.begin(key("b"), b"one").await.0, Begun::Fresh);
}
