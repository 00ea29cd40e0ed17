//! Large values take less room in the file, and rows of before are read as they are.

use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use zupa_core::store::Batch;
use zupa_core::{DeadLetterId, Desk, RawPayload, Store, Timestamp};

use crate::support::{Talk, message};

/// 65 KiB of JSON as people write it.
fn payload() -> String {
    let text = "Two pizzas with extra cheese for Ana at 8, please. Card or cash? ".repeat(1_010);
    let payload = format!("{{\"id\":\"m1\",\"text\":\"{text}\"}}");
    assert!(payload.len() > 65_000, "{}", payload.len());
    payload
}

async fn hear(talk: &Talk, number: u32, raw: &[u8]) {
    let mut accept = message(number);
    accept.inbound.raw = Some(raw.to_vec());
    let batch = Batch {
        now: Timestamp(1_000),
        accept: vec![accept],
        ..Batch::default()
    };
    let applied = talk.store.write(batch).await.unwrap();
    applied.accept.into_iter().next().unwrap().unwrap();
}

fn bytes_in_the_row(path: &Path, number: i64) -> usize {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT octet_length(raw) FROM inbounds WHERE rowid = ?1";
    let bytes: u32 = connection
        .query_row(sql, [number], |row| row.get(0))
        .unwrap();
    bytes as usize
}

#[tokio::test]
async fn a_payload_of_65_kib_takes_less_room() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let talk = Talk::on(&path).await;
    let (payload, small) = (payload(), "{}".repeat(2_047));
    hear(&talk, 0, payload.as_bytes()).await;
    hear(&talk, 1, small.as_bytes()).await;
    let stored = bytes_in_the_row(&path, 1);
    assert!(stored * 4 < payload.len(), "{stored} of {}", payload.len());
    assert_eq!(bytes_in_the_row(&path, 2), small.len(), "as it came");

    let packed = talk.store.status().await.unwrap().packed;
    assert_eq!(packed.payloads, 1);
    assert_eq!(packed.bytes, payload.len() as u64);
    assert_eq!(packed.stored_bytes, stored as u64);
}

/// A payload that a build of before has stored, whatever its length.
#[tokio::test]
async fn what_was_stored_before_is_read_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let talk = Talk::on(&path).await;
    hear(&talk, 0, b"{}").await;
    let payload = payload();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute("UPDATE inbounds SET raw = ?1", [&payload])
        .unwrap();
    let event: [u8; 16] = connection
        .query_row("SELECT event_id FROM inbounds", [], |row| row.get(0))
        .unwrap();
    let failed = "INSERT INTO failures (kind, source, ordinal, turn_id, run, at, class, message,
                      counted)
                  VALUES ('inbound', ?1, 0, zeroblob(16), 1, 1, 'invalid', 'no', 1)";
    connection.execute(failed, [event]).unwrap();
    let gave_up = "INSERT INTO dead_letters (kind, source, ordinal, conversation, tenant, number,
                       turn_id, content, class, message, first_failed_at, last_failed_at, attempts)
                   SELECT 'inbound', event_id, 0, conversation, 'default', number, zeroblob(16),
                       'text', 'invalid', 'no', 1, 1, 1 FROM inbounds";
    connection.execute(gave_up, []).unwrap();
    let id = DeadLetterId::Inbound(zupa_core::EventId(uuid::Uuid::from_bytes(event)));
    let view = talk.store.dead_letter(id).await.unwrap().unwrap();
    assert_eq!(view.raw, Some(RawPayload::Text(payload)));
    assert_eq!(talk.store.status().await.unwrap().packed.payloads, 0);

    // What says that it is packed and is not is named as what it is.
    connection
        .execute("UPDATE inbounds SET raw = 'zstd:AAAA'", [])
        .unwrap();
    let broken = talk.store.dead_letter(id).await.unwrap_err();
    assert_eq!(broken.kind(), zupa_core::ErrorKind::Corrupt);
}
