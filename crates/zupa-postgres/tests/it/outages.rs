//! Lost connections, locked rows and deadlocks: what is said of them, and that
//! reading back tells what happened.

use std::time::Duration;

use sqlx::{Connection, Executor};
use zupa_core::store::{Accepted, Batch, ClaimMode, ClaimOutcome, Finished, Settle, Settlement};
use zupa_core::{
    Desk, ErrorKind, Number, Outcome, Person, PlatformId, Receipt, ReceiptNews, Retry, Store,
    Timestamp,
};
use zupa_postgres::{PostgresConfig, PostgresStore};
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::relay::Relay;
use crate::support::{Database, server};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

async fn process(config: PostgresConfig) -> Process {
    let store = PostgresStore::open(config).await.unwrap();
    Process::start(store, SeqIds::default(), NOW).await
}

/// The answer to a commit is lost: the outcome is open, the transaction is there,
/// and asking again answers what was written.
#[tokio::test]
async fn a_lost_answer_to_a_commit_is_unknown_and_found_by_asking_again() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let relay = Relay::before(database.host()).await;
    let process = process(PostgresConfig::at(&database.url_at(relay.port())).unwrap()).await;
    let conversation = process.hear("ana").await;
    let turn = process.claim(conversation).await;

    relay.lose_answers(true);
    let lost = process.finish(process.answer(&turn)).await.unwrap_err();
    assert_eq!(lost.outcome(), Outcome::Unknown);
    assert!(lost.is_transient());
    relay.lose_answers(false);
    let found = process.finish(process.answer(&turn)).await.unwrap();
    let Finished::Already {
        numbers, due_at, ..
    } = found
    else {
        panic!("the end was written: {found:?}");
    };
    assert_eq!((numbers.len(), due_at), (1, None));

    // The same for an inbound: the ledger knows it.
    relay.lose_answers(true);
    let accept = process.message("bob", "m1");
    let batch = || Batch {
        accept: vec![accept.clone()],
        ..process.batch()
    };
    let lost = process.store.write(batch()).await.unwrap_err();
    assert_eq!(lost.outcome(), Outcome::Unknown);
    relay.lose_answers(false);
    let again = process.store.write(batch()).await.unwrap();
    assert!(
        matches!(again.accept[..], [Ok(Accepted::Duplicate { event })] if event == accept.event)
    );
}

/// The server ends the connection in the middle of a batch: nothing was written,
/// nobody can tell, and the next batch has a new connection.
#[tokio::test]
async fn a_connection_ended_in_the_middle_writes_nothing() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let mut config = database.config();
    config.lock_timeout = Duration::from_secs(30);
    config.timeout = Duration::from_secs(30);
    let process = process(config).await;
    let conversation = process.hear("ana").await;
    let turn = process.claim(conversation).await;

    let pool = database.pool().await;
    let mut holder = pool.begin().await.unwrap();
    holder
        .execute("SELECT 1 FROM zupa.conversations FOR UPDATE")
        .await
        .unwrap();
    let stuck = process.finish(process.answer(&turn));
    let kill = async {
        loop {
            let killed: i64 = sqlx::query_scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&pool)
            .await
            .unwrap();
            if killed > 0 {
                return;
            }
        }
    };
    let (lost, ()) = tokio::join!(stuck, kill);
    assert_eq!(lost.unwrap_err().outcome(), Outcome::Unknown);
    holder.rollback().await.unwrap();
    let done = process.finish(process.answer(&turn)).await.unwrap();
    assert!(matches!(done, Finished::Done { .. }), "{done:?}");
}

/// One row that somebody keeps locked holds up only what wants it, however much
/// else is in the batch: it is found in one step, not by trying.
#[tokio::test]
async fn a_held_row_refuses_only_its_own_conversation() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = process(database.config()).await;
    let stuck = process.hear("stuck").await;
    let stuck_turn = process.claim(stuck).await;
    let mut turns = Vec::new();
    for alias in ["a", "b", "c"] {
        let conversation = process.hear(alias).await;
        turns.push(process.claim(conversation).await);
    }
    let mut holder = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    let mut holding = holder.begin().await.unwrap();
    holding
        .execute("SELECT 1 FROM zupa.conversations WHERE alias = 'stuck' FOR UPDATE")
        .await
        .unwrap();
    let settle = |conversation| Settle {
        conversation,
        number: Number(1),
        attempt: 1,
        settlement: Settlement::Unknown,
    };
    let batch = || Batch {
        settle: vec![settle(stuck), settle(turns[0].conversation)],
        finish: vec![
            process.answer(&turns[0]),
            process.answer(&stuck_turn),
            process.answer(&turns[1]),
        ],
        accept: ["a", "stuck", "b", "new"]
            .map(|alias| process.message(alias, &format!("{alias}2")))
            .to_vec(),
        claim: vec![process.wish(stuck, ClaimMode::Normal)],
        ..process.batch()
    };
    let applied = process.store.write(batch()).await.unwrap();
    let settled: Vec<_> = applied.settle.iter().map(Result::is_ok).collect();
    assert_eq!(settled, [false, true]);
    let ended: Vec<_> = applied.finish.iter().map(Result::is_ok).collect();
    assert_eq!(ended, [true, false, true]);
    let accepted: Vec<_> = applied.accept.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, false, true, true]);
    assert_eq!(applied.taken.len(), 4);
    assert!(matches!(applied.claim[..], [Ok(ClaimOutcome::Held(_))]));
    let refused = applied.accept[1].as_ref().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert_eq!(refused.retry(), Retry::Now);
    assert_eq!(refused.outcome(), Outcome::NotApplied);

    holding.rollback().await.unwrap();
    let applied = process.store.write(batch()).await.unwrap();
    assert!(matches!(applied.finish[0], Ok(Finished::Already { .. })));
    assert!(matches!(applied.finish[1], Ok(Finished::Done { .. })));
    let first_sighting =
        |answer: &zupa_core::Result<Accepted>| matches!(answer, Ok(Accepted::Queued { .. }));
    let firsts: Vec<_> = applied.accept.iter().map(first_sighting).collect();
    assert_eq!(firsts, [false, true, false, false]);
}

/// News of a person whose row is held is refused in the end, and the next batch goes on.
#[tokio::test]
async fn news_about_a_held_row_is_not_waited_for_for_ever() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = process(database.config()).await;
    process.hear("stuck").await;
    let mut holder = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    let mut holding = holder.begin().await.unwrap();
    holding
        .execute("SELECT 1 FROM zupa.conversations WHERE alias = 'stuck' FOR UPDATE")
        .await
        .unwrap();
    let address = process.message("stuck", "stuck2").inbound.address;
    let echo = Receipt {
        tenant: address.tenant,
        channel: address.channel,
        about: PlatformId::parse("echo").unwrap(),
        news: ReceiptNews::Echo {
            to: Person {
                alias: address.alias,
                also: Vec::new(),
            },
        },
        at: Some(NOW),
    };
    let batch = |receipts, alias: &str| Batch {
        receipts,
        accept: vec![process.message(alias, &format!("{alias}1"))],
        ..process.batch()
    };
    let written = process.store.write(batch(vec![echo], "a"));
    let written = tokio::time::timeout(Duration::from_secs(60), written).await;
    let refused = written.expect("it ends").unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    let applied = process.store.write(batch(Vec::new(), "b")).await.unwrap();
    assert!(applied.accept[0].is_ok());
    holding.rollback().await.unwrap();
}

/// A name that somebody is about to bring holds up only who brings the same.
#[tokio::test]
async fn a_name_that_is_being_made_refuses_only_who_brings_it_too() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = process(database.config()).await;
    let mut holder = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    let mut holding = holder.begin().await.unwrap();
    holding
        .execute("INSERT INTO zupa.aliases VALUES ('new', 'door', 'default', gen_random_uuid())")
        .await
        .unwrap();
    let batch = Batch {
        accept: ["a", "new", "b"]
            .map(|alias| process.message(alias, &format!("{alias}1")))
            .to_vec(),
        ..process.batch()
    };
    let applied = process.store.write(batch).await.unwrap();
    let accepted: Vec<_> = applied.accept.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, false, true]);
    holding.rollback().await.unwrap();
}

/// An item that makes the functions fail in a way that nobody foresaw fails alone.
#[tokio::test]
async fn a_broken_row_fails_alone() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = process(database.config()).await;
    let broken = process.hear("broken").await;
    process.claim(broken).await;
    let pool = database.pool().await;
    pool.execute("DELETE FROM zupa.turns; UPDATE zupa.conversations SET holder = NULL")
        .await
        .unwrap();
    let batch = Batch {
        accept: vec![process.message("a", "m1"), process.message("b", "m2")],
        claim: vec![process.wish(broken, ClaimMode::Normal)],
        ..process.batch()
    };
    let applied = process.store.write(batch).await.unwrap();
    assert!(applied.accept.iter().all(Result::is_ok));
    assert!(applied.claim[0].is_err());
}

/// A deadlock with somebody who does not keep our order costs a try, no answer.
#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let mut config = database.config();
    config.lock_timeout = Duration::from_secs(30);
    config.timeout = Duration::from_secs(30);
    let process = process(config).await;
    let mut both = [process.hear("a").await, process.hear("b").await];
    both.sort_unstable();
    let alias_of = async |conversation: zupa_core::ConversationId| -> String {
        sqlx::query_scalar("SELECT alias FROM zupa.conversations WHERE id = $1")
            .bind(conversation.0)
            .fetch_one(&database.pool().await)
            .await
            .unwrap()
    };
    let aliases = [alias_of(both[0]).await, alias_of(both[1]).await];
    // Whoever waits longer than this looks for a circle: only the store does. Only
    // a superuser may say so.
    let Some(superuser) = database.as_superuser().await else {
        return;
    };
    let mut other = superuser.acquire().await.unwrap();
    other.execute("SET deadlock_timeout = '60s'").await.unwrap();
    let mut other = other.begin().await.unwrap();
    let lock = "SELECT 1 FROM zupa.conversations WHERE id = $1 FOR UPDATE";
    sqlx::query(lock)
        .bind(both[1].0)
        .execute(&mut *other)
        .await
        .unwrap();
    let batch = Batch {
        accept: aliases
            .iter()
            .map(|alias| process.message(alias, &format!("{alias}2")))
            .collect(),
        ..process.batch()
    };
    // The store takes the first and waits for the second; the other one then
    // wants the first.
    let writing = process.store.write(batch);
    let pool = database.pool().await;
    let crossing = async {
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&pool)
            .await
            .unwrap();
            if waiting > 0 {
                break;
            }
        }
        sqlx::query(lock)
            .bind(both[0].0)
            .execute(&mut *other)
            .await
            .unwrap();
        other.commit().await.unwrap();
    };
    let (applied, ()) = tokio::join!(writing, crossing);
    let applied = applied.unwrap();
    assert!(applied.accept.iter().all(Result::is_ok), "{applied:?}");
}

/// Connections that the server has ended are made anew before anybody is told of
/// it, so that readers do not notice a restart that is over.
#[tokio::test]
async fn connections_that_were_ended_are_made_anew() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = process(database.config()).await;
    let conversation = process.hear("ana").await;
    let look = async || {
        process.store.heartbeat(process.life()).await.unwrap();
        process.store.due(NOW, NOW, 10).await.unwrap();
        process.store.history(conversation, 10).await.unwrap();
        process.store.status().await.unwrap();
    };
    look().await;
    let pool = database.pool().await;
    pool.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await
    .unwrap();
    look().await;
}

/// Connections that never answer again hold nothing up: each call ends, and once
/// the server answers again all of them do, over new connections.
#[tokio::test]
async fn an_answer_that_never_comes_holds_nothing_up() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let relay = Relay::before(database.host()).await;
    let mut config = PostgresConfig::at(&database.url_at(relay.port())).unwrap();
    config.timeout = Duration::from_secs(1);
    config.readers = 1;
    let process = process(config).await;
    let conversation = process.hear("ana").await;
    let turn = process.claim(conversation).await;
    // Every kind of connection is open now, and in its pool.
    let look = async || {
        let store = &process.store;
        [
            store.heartbeat(process.life()).await.err(),
            store.due(NOW, NOW, 10).await.err(),
            store.history(conversation, 10).await.err(),
            store.status().await.err(),
            process.finish(process.answer(&turn)).await.err(),
        ]
    };
    assert!(process.store.due(NOW, NOW, 10).await.is_ok());
    assert!(process.store.status().await.is_ok());

    relay.fall_silent(true);
    let guard = Duration::from_secs(60);
    let errors = tokio::time::timeout(guard, look())
        .await
        .expect("no call waits for ever");
    for error in errors {
        let error = error.expect("nothing was answered");
        assert!(error.is_transient(), "{error:?}");
    }
    relay.fall_silent(false);
    let answered = async {
        loop {
            let errors = look().await;
            if errors.iter().all(Option::is_none) {
                return;
            }
        }
    };
    tokio::time::timeout(guard, answered)
        .await
        .expect("all calls are answered again");
}
