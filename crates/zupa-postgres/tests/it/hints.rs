//! Hints between processes.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::PgListener;
use zupa_core::{
    Address, Alias, ChannelId, ConversationId, Ids, Nudge, TenantId, Timestamp, Wakeup,
};
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::support::{Database, server};

fn news() -> Nudge {
    Nudge::News(Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("door").unwrap(),
        alias: Alias::parse("ana").unwrap(),
    })
}

/// Calls out again and again until it is heard: any hint may be lost.
async fn heard(from: &dyn Wakeup, nudge: Nudge, at: &dyn Wakeup) -> Nudge {
    let calling = async {
        loop {
            from.wake(nudge.clone());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let hearing = async {
        tokio::select! {
            heard = at.woken() => heard,
            () = calling => unreachable!(),
        }
    };
    tokio::time::timeout(Duration::from_secs(30), hearing)
        .await
        .expect("the hint arrives")
}

/// Work and news reach the other process, and after a lost connection again.
#[tokio::test]
async fn hints_reach_the_other_process() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = Process::start(database.open().await, SeqIds::default(), Timestamp(1)).await;
    process.hear("ana").await;
    let store = &process.store;
    let (one, other) = (store.wakeup().await.unwrap(), store.wakeup().await.unwrap());
    let due = Nudge::Due(ConversationId(SeqIds::default().fresh()));
    assert_eq!(heard(&*one, due.clone(), &*other).await, due);
    assert_eq!(one.woken().await, due, "its own work it hears at once");

    let pool = database.pool().await;
    pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    .await
    .unwrap();
    // What was called out before may still come first.
    while heard(&*one, news(), &*other).await != news() {}
}

/// Every role of the server may listen: what is called out names nobody.
#[tokio::test]
async fn hints_name_nobody() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = Process::start(database.open().await, SeqIds::default(), Timestamp(1)).await;
    let conversation = process.hear("ana").await;
    let mut anybody = PgListener::connect(&database.url()).await.unwrap();
    anybody.listen("zupa").await.unwrap();
    let calling = process.store.wakeup().await.unwrap();
    calling.wake(news());
    let heard = tokio::time::timeout(Duration::from_secs(30), anybody.recv());
    let heard = heard.await.unwrap().unwrap();
    assert!(heard.payload().contains(&conversation.to_string()));
    assert!(!heard.payload().contains("ana"), "{}", heard.payload());
}

/// Behind a pooler there are only a process's own hints.
#[tokio::test]
async fn behind_a_pooler_only_its_own() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let mut config = database.config();
    config.pooled = true;
    let store = zupa_postgres::PostgresStore::open(config).await.unwrap();
    let (one, other) = (store.wakeup().await.unwrap(), store.wakeup().await.unwrap());
    let due = Nudge::Due(ConversationId(SeqIds::default().fresh()));
    one.wake(due.clone());
    assert_eq!(one.woken().await, due);
    let nothing = tokio::time::timeout(Duration::from_millis(200), other.woken()).await;
    assert!(nothing.is_err());
}
