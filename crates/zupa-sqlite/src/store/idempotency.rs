//! The `IdempotencyKeys` port on SQLite.
//!
//! *Arrives*: tries of acts, their answers, the time.
//! *Leaves*: one row for each key, running or answered.
//! *If the process dies here*: the transaction is there or not; a try that is left
//! behind ends with its lease.

use async_trait::async_trait;
use rusqlite::params;
use uuid::Uuid;
use zupa_core::idempotency::{Begin, Begun, Keep, KeptAnswer};
use zupa_core::{Error, ErrorKind, IdempotencyKey, IdempotencyKeys, Result, Timestamp};

use super::row::Prepared;
use super::{Flush, SqliteStore, write};

#[async_trait]
impl IdempotencyKeys for SqliteStore {
    async fn begin(&self, begin: Begin) -> Result<Begun> {
        self.work(Flush::No, move |connection| {
            write::transaction(connection, || self::begin(connection, &begin))
        })
        .await
    }

    async fn keep(&self, keep: Keep) -> Result<bool> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || self::keep(connection, &keep))
        })
        .await
    }

    async fn free(&self, key: IdempotencyKey, holder: Uuid) -> Result<()> {
        self.work(Flush::No, move |connection| {
            connection
                .run(
                    "DELETE FROM idempotency_keys
                     WHERE key = ?1 AND holder = ?2 AND status IS NULL",
                    params![key.as_bytes(), holder.as_bytes()],
                )
                .map(drop)
        })
        .await
    }

    async fn forget(&self, now: Timestamp, limit: usize) -> Result<u64> {
        self.work(Flush::No, move |connection| {
            let gone = connection.run(
                "DELETE FROM idempotency_keys WHERE rowid IN (
                     SELECT rowid FROM idempotency_keys WHERE expires_at <= ?1
                     ORDER BY expires_at LIMIT ?2)",
                params![now.0, limit as i64],
            )?;
            Ok(gone as u64)
        })
        .await
    }
}

fn begin(connection: &Prepared<'_>, begin: &Begin) -> Result<Begun> {
    // The unique key decides; what is over is as if it were not there.
    let fresh = connection.run(
        "INSERT INTO idempotency_keys (key, request, holder, expires_at)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (key) DO UPDATE SET request = excluded.request, holder = excluded.holder,
             expires_at = excluded.expires_at, status = NULL, content_type = NULL, body = NULL
         WHERE idempotency_keys.expires_at <= ?5",
        params![
            begin.key.as_bytes(),
            begin.request.0,
            begin.holder.as_bytes(),
            begin.lease_until.0,
            begin.now.0
        ],
    )? == 1;
    if fresh {
        return Ok(Begun::Fresh);
    }
    let (request, status, content_type, body) = connection.one(
        "SELECT request, status, content_type, body FROM idempotency_keys WHERE key = ?1",
        params![begin.key.as_bytes()],
        |row| {
            Ok((
                row.get::<_, [u8; 32]>(0)?,
                row.get::<_, Option<i64>>(1)?,
                row.get(2)?,
                row.get::<_, Option<Vec<u8>>>(3)?,
            ))
        },
    )?;
    if request != begin.request.0 {
        return Ok(Begun::OtherRequest);
    }
    let Some(status) = status else {
        return Ok(Begun::Running);
    };
    let status = u16::try_from(status)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "a kept status is not one of HTTP"))?;
    Ok(Begun::Answered(KeptAnswer {
        status,
        content_type,
        body: body.unwrap_or_default(),
    }))
}

fn keep(connection: &Prepared<'_>, keep: &Keep) -> Result<bool> {
    let kept = connection.run(
        "UPDATE idempotency_keys SET status = ?3, content_type = ?4, body = ?5, expires_at = ?6
         WHERE key = ?1 AND holder = ?2",
        params![
            keep.key.as_bytes(),
            keep.holder.as_bytes(),
            keep.answer.status,
            keep.answer.content_type,
            keep.answer.body,
            keep.until.0
        ],
    )?;
    Ok(kept == 1)
}
