//! Agents that several processes wake: by their clocks, at once, beside waits.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::PgListener;
use zupa_core::store::{Commit, Finished, Verdict};
use zupa_core::{
    Content, ConversationId, Desk, EventId, Store, StoredState, Timestamp, WaitKind, Wake,
};

use crate::path::Process;
use crate::replicas::World;
use crate::waits::Pair;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// A commit that keeps a state and wants a wake.
fn rests(wake_at: Timestamp) -> Commit {
    Commit {
        state: Some(StoredState {
            version: 1,
            json: "{}".into(),
        }),
        wake_at: Some(wake_at),
        ..Commit::of(Verdict::Silent("rests".into()), Vec::new())
    }
}

impl Process {
    /// A conversation whose last commit wants a wake then.
    async fn rest(&self, alias: &str, wake_at: Timestamp) -> ConversationId {
        let conversation = self.hear(alias).await;
        let turn = self.claim(conversation).await;
        let finished = self.finish(self.leave(&turn, rests(wake_at))).await;
        assert!(matches!(finished, Ok(Finished::Done { .. })));
        conversation
    }
}

/// Agents are woken in the database's time, whatever the clocks say of those who
/// commit and those who look.
#[tokio::test]
async fn wakes_come_in_the_databases_time() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let first = world.ahead.rest("ana", world.ahead.now.plus(MINUTE)).await;
    let second = world
        .behind
        .rest("bob", world.behind.now.plus(MINUTE))
        .await;
    world.pass(MINUTE - SECOND).await;
    assert!(world.ahead.expire(10).await.is_empty());
    assert!(world.behind.expire(10).await.is_empty());
    world.pass(SECOND).await;
    let due = world.behind.store.expire(world.behind.now, 10).await;
    let due = due
        .unwrap()
        .into_iter()
        .map(|due| (due.conversation, due.at));
    let due: BTreeSet<_> = due.collect();
    let expected = [first, second].map(|id| (id, world.behind.now));
    assert_eq!(due, BTreeSet::from(expected));
    let turn = world.ahead.claim(first).await;
    assert_eq!(turn.inbounds[0].accepted_at, world.ahead.now);
    let due_at = world.behind.end_session(second).await;
    assert_eq!(due_at, Some(world.behind.now));
}

/// Two processes that look at the clock at once: each agent is woken once.
#[tokio::test]
async fn each_agent_is_woken_once_however_many_look() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let mut expected = BTreeSet::new();
    for number in 0..40 {
        let rests = pair.one.rest(&format!("a{number}"), pair.one.now).await;
        expected.insert(rests);
    }
    let fire = async |process: &Process| {
        let mut fired = Vec::new();
        for _ in 0..20 {
            fired.extend(process.expire(4).await);
        }
        fired
    };
    let (first, second) = tokio::join!(fire(&pair.one), fire(&pair.other));
    let fired: BTreeSet<ConversationId> = first.iter().chain(&second).copied().collect();
    assert_eq!(fired, expected);
    assert_eq!(first.len() + second.len(), expected.len(), "each once");
    assert!(pair.one.store.accounting().await.unwrap().is_balanced());
}

/// Waits and wakes share the limit; waits come first.
#[tokio::test]
async fn waits_and_wakes_share_the_limit() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let process = &pair.one;
    let timer = || vec![process.wait_for(WaitKind::Timer, Duration::ZERO)];
    let wakes = [
        process.rest("a", process.now.minus(MINUTE)).await,
        process.rest("b", process.now).await,
    ];
    let waits = [
        process.park("c", timer()).await,
        process.park("d", timer()).await,
    ];
    assert_eq!(process.expire(1).await, [waits[0]]);
    assert_eq!(process.expire(2).await, [waits[1], wakes[0]]);
    assert_eq!(process.expire(2).await, [wakes[1]]);
    assert!(process.expire(2).await.is_empty());
}

/// A wake has the id that its place gives it, whoever writes it.
#[tokio::test]
async fn a_wake_has_the_id_of_its_place() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let conversation = pair.one.rest("ana", pair.one.now).await;
    for why in [Wake::Due, Wake::EndSession] {
        match why {
            Wake::Due => assert_eq!(pair.one.expire(10).await, [conversation]),
            Wake::EndSession => drop(pair.one.end_session(conversation).await),
        }
        let turn = pair.one.claim(conversation).await;
        let [woken] = turn.inbounds.as_slice() else {
            panic!("a wake is alone: {:?}", turn.inbounds);
        };
        assert_eq!(woken.content, Content::Wake { why });
        assert_eq!(woken.event, EventId::of_wake(conversation, woken.number));
        pair.one.finish(pair.one.answer(&turn)).await.unwrap();
    }
}

/// Whoever listens hears of a conversation that has something to do again, though the
/// one who handed it back runs no turns.
#[tokio::test]
async fn a_hand_back_and_a_wake_are_called_out() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let mut listener = PgListener::connect(&pair.database.url()).await.unwrap();
    let conversation = pair.one.rest("ana", pair.one.now).await;
    listener.listen("zupa").await.unwrap();
    let mut hear = async || {
        let heard = tokio::time::timeout(Duration::from_secs(30), listener.recv());
        let heard = heard.await.unwrap().unwrap();
        assert!(heard.payload().contains(&conversation.to_string()));
    };
    pair.other.expire(10).await;
    hear().await;
    pair.other.end_session(conversation).await;
    hear().await;
    pair.other.hold(conversation, None).await;
    pair.other.release(conversation, None).await;
    hear().await;
}
