//! Large payloads take less room, also beside what the server compresses by itself.

use sqlx::Row;
use zupa_core::store::Batch;
use zupa_core::{Desk, Store, Timestamp};
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::support::{Database, server};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

#[tokio::test]
async fn a_payload_of_65_kib_takes_less_room() {
    let Some(server) = server() else { return };
    let database = Database::create(&server).await;
    let process = Process::start(database.open().await, SeqIds::default(), NOW).await;
    let payload = "Two pizzas with extra cheese for Ana at 8, please. ".repeat(1_290);
    let mut accept = vec![process.message("ana", "m1"), process.message("ana", "m2")];
    accept[0].inbound.raw = Some(payload.clone().into_bytes());
    accept[1].inbound.raw = Some(b"{}".to_vec());
    let batch = Batch {
        accept,
        ..process.batch()
    };
    process.store.write(batch).await.unwrap();
    let rows = sqlx::query(
        "SELECT octet_length(raw)::bigint, pg_column_size(raw)::bigint FROM zupa.inbounds
         ORDER BY number",
    )
    .fetch_all(&database.pool().await)
    .await
    .unwrap();
    let (stored, on_disk): (i64, i64) = (rows[0].get(0), rows[0].get(1));
    assert!(
        stored * 4 < payload.len() as i64,
        "{stored} of {}",
        payload.len()
    );
    assert!(on_disk <= stored + 4, "{on_disk}");
    assert_eq!(rows[1].get::<i64, _>(0), 2, "as it came");
    let packed = process.store.status().await.unwrap().packed;
    assert_eq!((packed.payloads, packed.bytes), (1, payload.len() as u64));
    assert_eq!(packed.stored_bytes, stored as u64);
}
