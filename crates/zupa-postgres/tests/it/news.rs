//! News of one person beside a row of theirs that somebody keeps locked.

use std::time::Duration;

use sqlx::{Executor, PgPool};
use zupa_core::store::Batch;
use zupa_core::{Content, PlatformId, Receipt, ReceiptNews, Store, Timestamp};
use zupa_postgres::PostgresStore;
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::support::{Database, server};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);
const KNOWN: &str = "m1";

/// An id of a message that shares its lock with the known one.
async fn beside_it(pool: &PgPool) -> String {
    sqlx::query_scalar(
        "SELECT 'n' || n FROM generate_series(1, 10000) n
         WHERE hashtext('n' || n) & 63 = hashtext($1) & 63 LIMIT 1",
    )
    .bind(KNOWN)
    .fetch_one(pool)
    .await
    .unwrap()
}

async fn somebody_waits(pool: &PgPool) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waiting)
        .fetch_one(pool)
        .await
        .unwrap()
        == 0
    {}
}

/// What is edited is known, so nothing has to wait for it: the message of somebody else comes
/// in while the edit waits for the row of its own person.
#[tokio::test]
async fn an_edit_that_waits_for_a_row_stops_nobody_else() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let (ids, mut patient) = (SeqIds::default(), database.config());
    patient.lock_timeout = Duration::from_secs(60);
    patient.timeout = Duration::from_secs(60);
    let patient = PostgresStore::open(patient).await.unwrap();
    let editor = Process::start(patient, ids.clone(), NOW).await;
    let other = Process::start(database.open().await, ids, NOW).await;
    let pool = database.pool().await;
    let accept = |id: &str, alias: &str| Batch {
        accept: vec![other.message(alias, id)],
        ..other.batch()
    };
    let known = other.store.write(accept(KNOWN, "ana")).await.unwrap();
    assert!(known.accept[0].is_ok());
    let id = beside_it(&pool).await;

    let mut holder = pool.begin().await.unwrap();
    holder
        .execute("SELECT 1 FROM zupa.conversations WHERE alias = 'ana' FOR UPDATE")
        .await
        .unwrap();
    let address = other.message("ana", KNOWN).inbound.address;
    let edit = Receipt {
        tenant: address.tenant,
        channel: address.channel,
        about: PlatformId::parse(KNOWN).unwrap(),
        news: ReceiptNews::Edit {
            content: Content::text("edited"),
        },
        at: Some(NOW),
    };
    let batch = Batch {
        receipts: vec![edit],
        ..editor.batch()
    };
    let (edited, ()) = tokio::join!(editor.store.write(batch), async {
        somebody_waits(&pool).await;
        let beside = other.store.write(accept(&id, "bob")).await.unwrap();
        assert!(beside.accept[0].is_ok(), "{:?}", beside.accept);
        holder.rollback().await.unwrap();
    });
    edited.unwrap();
    let words: String = sqlx::query_scalar(
        "SELECT content::json ->> 'text' FROM zupa.inbounds WHERE platform_id = $1",
    )
    .bind(KNOWN)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(words, "edited");
}
