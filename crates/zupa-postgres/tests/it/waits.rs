//! Waits that several processes settle: by their clocks, by their operators, at
//! once.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use sqlx::{Connection, Executor};
use zupa_core::desk::Decided;
use zupa_core::store::ClaimedTurn;
use zupa_core::{
    AuditHead, Content, ConversationId, Desk, Store, Timestamp, WaitId, WaitKind, WaitState,
};
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::replicas::World;
use crate::support::{Database, server};

const MINUTE: Duration = Duration::from_secs(60);
const NOON: Timestamp = Timestamp(1_767_225_600_000_000);

/// Two processes on one database, whose clocks agree.
pub struct Pair {
    pub database: Database,
    pub one: Process,
    pub other: Process,
}

impl Pair {
    pub async fn open() -> Option<Self> {
        let database = Database::create(&server()?).await;
        let (ids, first) = (SeqIds::default(), database.open().await);
        let one = Process::start(first, ids.clone(), NOON).await;
        let other = Process::start(database.open().await, ids, NOON).await;
        Some(Self {
            database,
            one,
            other,
        })
    }
}

/// What a turn was woken by.
fn settled(turn: &ClaimedTurn) -> WaitId {
    match turn.inbounds[0].content {
        Content::Settled { wait } => wait,
        ref other => panic!("not a settled wait: {other:?}"),
    }
}

/// Waits run out in the database's time, whatever the clocks say of those who
/// open them and those who look.
#[tokio::test]
async fn waits_run_out_in_the_databases_time() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let timer = world.ahead.wait_for(WaitKind::Timer, MINUTE);
    let ends_at = timer.expires_at;
    let conversation = world.ahead.park("ana", vec![timer.clone()]).await;
    world.pass(MINUTE - Duration::from_secs(1)).await;
    assert!(world.ahead.expire(10).await.is_empty());
    assert!(world.behind.expire(10).await.is_empty());
    world.pass(Duration::from_secs(1)).await;
    let due = world.behind.store.expire(world.behind.now, 10).await;
    let due = due.unwrap();
    assert_eq!(
        (due[0].conversation, due[0].at),
        (conversation, world.behind.now)
    );
    let turn = world.ahead.claim(conversation).await;
    assert_eq!(settled(&turn), timer.id);
    assert_eq!(turn.waits[0].opened.expires_at, ends_at);
    assert_eq!(turn.waits[0].settled_at, Some(world.ahead.now));
    assert_eq!(turn.inbounds[0].accepted_at, world.ahead.now);
}

/// Two processes that look at the clock at once: each wait fires once, and who
/// finds the conversations of the other passes them over.
#[tokio::test]
async fn each_wait_fires_once_however_many_look() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let mut expected = BTreeSet::new();
    for number in 0..40 {
        let timer = pair.one.wait_for(WaitKind::Timer, Duration::ZERO);
        let alias = format!("a{number}");
        expected.insert(pair.one.park(&alias, vec![timer]).await);
    }
    let fire = async |process: &Process| {
        let mut fired = Vec::new();
        // What the other one has in hand is left out, so nothing is not the end.
        for _ in 0..20 {
            fired.extend(process.expire(4).await);
        }
        fired
    };
    let (first, second) = tokio::join!(fire(&pair.one), fire(&pair.other));
    let fired: BTreeSet<ConversationId> = first.iter().chain(&second).copied().collect();
    assert_eq!(fired, expected);
    assert_eq!(first.len() + second.len(), expected.len(), "each once");
    assert_eq!(pair.one.store.backlog().await.unwrap(), 40);
    assert!(pair.one.store.accounting().await.unwrap().is_balanced());
}

/// A conversation that somebody is writing to is left for later, and nothing
/// waits for it.
#[tokio::test]
async fn a_held_conversation_does_not_hold_the_clock_up() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let timer = || vec![pair.one.wait_for(WaitKind::Timer, Duration::ZERO)];
    let stuck = pair.one.park("stuck", timer()).await;
    let free = pair.one.park("free", timer()).await;
    let mut holder = sqlx::PgConnection::connect(&pair.database.url())
        .await
        .unwrap();
    let mut holding = holder.begin().await.unwrap();
    holding
        .execute("SELECT 1 FROM zupa.conversations WHERE alias = 'stuck' FOR UPDATE")
        .await
        .unwrap();
    assert_eq!(pair.other.expire(10).await, [free]);
    assert!(pair.other.expire(10).await.is_empty());
    holding.rollback().await.unwrap();
    assert_eq!(pair.other.expire(10).await, [stuck]);
}

/// Operators at two processes, and the time: one of them settles the wait.
#[tokio::test]
async fn one_decision_wins() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    for round in 0..20 {
        let wait = pair.one.wait_for(WaitKind::Decision, Duration::ZERO);
        let conversation = pair.one.park("ana", vec![wait.clone()]).await;
        let (yes, no, late) = tokio::join!(
            pair.one.decide(wait.id, true),
            pair.other.decide(wait.id, false),
            pair.other.expire(10),
        );
        let counts = |decided: &Decided| matches!(decided, Decided::Done { .. });
        let wins = [counts(&yes), counts(&no), !late.is_empty()];
        let won = wins.iter().filter(|won| **won).count();
        assert_eq!(won, 1, "round {round}: {yes:?}, {no:?}, {late:?}");
        let turn = pair.other.claim(conversation).await;
        let approved = turn.waits[0].decision.as_ref().map(|said| said.approved);
        let expected = wins[0].then_some(true).or(wins[1].then_some(false));
        assert_eq!((settled(&turn), approved), (wait.id, expected));
        pair.other.finish(pair.other.answer(&turn)).await.unwrap();
        let chain = pair.one.store.audit(conversation).await.unwrap();
        let stream = conversation.to_string();
        assert!(zupa_core::audit::verify(&stream, AuditHead::default(), &chain).is_ok());
    }
}

/// Decisions on several waits of one turn, at once from two processes: it goes on
/// once.
#[tokio::test]
async fn a_group_decided_at_two_places_goes_on_once() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    for round in 0..10 {
        let open = || pair.one.wait_for(WaitKind::Decision, MINUTE);
        let waits = [open(), open()];
        let alias = format!("a{round}");
        let conversation = pair.one.park(&alias, waits.to_vec()).await;
        let (first, second) = tokio::join!(
            pair.one.decide(waits[0].id, true),
            pair.other.decide(waits[1].id, true),
        );
        let goes_on = [&first, &second].into_iter().filter(|decided| {
            matches!(
                decided,
                Decided::Done {
                    due_at: Some(_),
                    ..
                }
            )
        });
        assert_eq!(goes_on.count(), 1, "{first:?}, {second:?}");
        let turn = pair.other.claim(conversation).await;
        assert_eq!(turn.waits.len(), 2);
        pair.other.finish(pair.other.answer(&turn)).await.unwrap();
        assert!(pair.one.due().await.is_empty());
    }
}

/// Whoever listens hears of a decision, though the one that takes it down runs no
/// turns and calls nobody.
#[tokio::test]
async fn a_decision_is_called_out() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let mut listener = PgListener::connect(&pair.database.url()).await.unwrap();
    listener.listen("zupa").await.unwrap();
    let decision = pair.one.wait_for(WaitKind::Decision, MINUTE);
    let timer = pair.one.wait_for(WaitKind::Timer, Duration::ZERO);
    let waits = [decision.clone(), timer];
    let conversation = pair.one.park("ana", waits.to_vec()).await;
    let mut hear = async || {
        let heard = tokio::time::timeout(Duration::from_secs(30), listener.recv());
        let heard = heard.await.unwrap().unwrap();
        assert!(heard.payload().contains(&conversation.to_string()));
    };
    pair.other.decide(decision.id, true).await;
    hear().await;
    pair.other.expire(10).await;
    hear().await;
}

/// The count of open waits, by which a claim knows that there is nothing to look
/// for, is kept by everything that opens and settles.
#[tokio::test]
async fn the_open_waits_are_counted() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let pool = pair.database.pool().await;
    let waits = [
        pair.one.wait_for(WaitKind::Decision, MINUTE),
        pair.one.wait_for(WaitKind::Reply, MINUTE),
        pair.one.wait_for(WaitKind::Timer, Duration::ZERO),
    ];
    let conversation = pair.one.park("ana", waits.to_vec()).await;
    assert_eq!(counted(&pool).await, (3, 0));
    pair.one.decide(waits[0].id, true).await;
    assert_eq!(counted(&pool).await, (2, 0));
    pair.one.expire(10).await;
    assert_eq!(counted(&pool).await, (1, 1));
    let turn = pair.one.claim(conversation).await;
    assert_eq!(counted(&pool).await, (1, 0));
    let mut end = pair.one.answer(&turn);
    if let zupa_core::store::TurnEnd::Commit(commit) = &mut end.end {
        commit.settles = waits
            .iter()
            .map(|wait| (wait.id, WaitState::Cancelled))
            .collect();
    }
    pair.one.finish(end).await.unwrap();
    assert_eq!(counted(&pool).await, (0, 0));
    let state = pair
        .one
        .store
        .wait(waits[0].id)
        .await
        .unwrap()
        .unwrap()
        .state;
    assert_eq!(state, WaitState::Decided, "it was settled before");
}

/// Open waits and pending internal inbounds of the one conversation.
async fn counted(pool: &PgPool) -> (i32, i32) {
    sqlx::query_as("SELECT open_waits, internals FROM zupa.conversations")
        .fetch_one(pool)
        .await
        .unwrap()
}
