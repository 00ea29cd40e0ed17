//! Links to the server that break or go quiet under a write, through a proxy: what
//! is said of it, and that everything goes on once they are mended.

use std::time::Duration;

use zupa_core::store::Finished;
use zupa_core::{Outcome, Result, Timestamp};
use zupa_faultproxy::{Direction, Proxy, Toxic};
use zupa_postgres::{PostgresConfig, PostgresStore};
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::support::{Database, server};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process whose store is behind a proxy.
async fn behind_a_proxy(database: &Database) -> (Proxy, Process) {
    let proxy = Proxy::start(database.host()).await.unwrap();
    let mut config = PostgresConfig::at(&database.url_at(proxy.address().port())).unwrap();
    config.timeout = Duration::from_secs(1);
    let store = PostgresStore::open(config).await.unwrap();
    let process = Process::start(store, SeqIds::default(), NOW).await;
    (proxy, process)
}

/// Resolves when a write is on its way to the server.
async fn a_request_goes_out(proxy: &Proxy, before: u64) {
    let seen = async {
        while proxy.counts().requests == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("a write");
}

/// Writes the end of a turn until the store takes it or has it.
async fn written(write: impl AsyncFn() -> Result<Finished>) -> Finished {
    let write = async {
        loop {
            match write().await {
                Ok(finished) => return finished,
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, write)
        .await
        .expect("it goes on when the link is mended")
}

#[tokio::test]
async fn a_reset_under_a_write_is_unknown_and_the_next_write_goes_through() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let (proxy, process) = behind_a_proxy(&database).await;
    let conversation = process.hear("ana").await;
    let turn = process.claim(conversation).await;

    proxy.set(Direction::Answers, [Toxic::BlackHole]);
    let before = proxy.counts().requests;
    let cut = async {
        a_request_goes_out(&proxy, before).await;
        proxy.down().await;
    };
    let (lost, ()) = tokio::join!(process.finish(process.answer(&turn)), cut);
    let lost = lost.unwrap_err();
    assert_eq!(lost.outcome(), Outcome::Unknown, "{lost:?}");
    assert!(lost.is_transient(), "{lost:?}");

    // Nothing can be written without a server, and nothing was.
    let refused = process.finish(process.answer(&turn)).await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert_eq!(refused.outcome(), Outcome::NotApplied, "{refused:?}");

    proxy.heal();
    proxy.up().await.unwrap();
    let finished = written(async || process.finish(process.answer(&turn)).await).await;
    let (Finished::Done { numbers, .. } | Finished::Already { numbers, .. }) = finished else {
        panic!("the claim is ours: {finished:?}");
    };
    assert_eq!(numbers.len(), 1);
}

#[tokio::test]
async fn a_write_into_a_black_hole_is_unknown_and_happens_once() {
    let Some(server) = server() else { return };
    for direction in [Direction::Requests, Direction::Answers] {
        let database = Database::create(&server).await;
        let (proxy, process) = behind_a_proxy(&database).await;
        let conversation = process.hear("ana").await;
        let turn = process.claim(conversation).await;

        proxy.set(direction, [Toxic::BlackHole]);
        let lost = process.finish(process.answer(&turn));
        let lost = tokio::time::timeout(PATIENCE, lost).await;
        let lost = lost.expect("within its deadline").unwrap_err();
        assert_eq!(lost.outcome(), Outcome::Unknown, "{lost:?}");
        assert!(lost.is_transient(), "{lost:?}");

        // The write itself may arrive now, late, beside the one that asks again.
        proxy.heal();
        written(async || process.finish(process.answer(&turn)).await).await;
        let pool = database.pool().await;
        let sent: i64 = sqlx::query_scalar("SELECT count(*) FROM zupa.outbox")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(sent, 1, "{direction:?}");
    }
}
