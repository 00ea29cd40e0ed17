//! The `IdempotencyKeys` port on Postgres, see `functions/14_idempotency.sql`.

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;
use zupa_core::idempotency::{Begin, Begun, Keep, KeptAnswer};
use zupa_core::{Error, ErrorKind, IdempotencyKey, IdempotencyKeys, Outcome, Result, Timestamp};

use super::PostgresStore;
use super::decode;
use super::item::text;

#[async_trait]
impl IdempotencyKeys for PostgresStore {
    async fn begin(&self, begin: Begin) -> Result<Begun> {
        let asking = sqlx::query("SELECT * FROM zupa.begin_act($1, $2, $3, $4, $5)")
            .bind(begin.key.as_bytes().to_vec())
            .bind(begin.request.0.to_vec())
            .bind(begin.holder)
            .bind(begin.now.0)
            .bind(begin.lease_until.0);
        let row = self.desk.one("begin an act under a key", asking).await?;
        let read = |column| row.try_get::<bool, _>(column).map_err(decode::broken);
        if read("fresh")? {
            return Ok(Begun::Fresh);
        }
        if !read("same")? {
            return Ok(Begun::OtherRequest);
        }
        let status: Option<i32> = row.try_get("status").map_err(decode::broken)?;
        let Some(status) = status else {
            return Ok(Begun::Running);
        };
        let body: Option<Vec<u8>> = row.try_get("body").map_err(decode::broken)?;
        Ok(Begun::Answered(KeptAnswer {
            status: u16::try_from(status)
                .map_err(|_| Error::new(ErrorKind::Corrupt, "a kept status is not one of HTTP"))?,
            content_type: row.try_get("content_type").map_err(decode::broken)?,
            body: body.unwrap_or_default(),
        }))
    }

    async fn keep(&self, keep: Keep) -> Result<bool> {
        let asking = sqlx::query("SELECT zupa.keep_answer($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(keep.key.as_bytes().to_vec())
            .bind(keep.holder)
            .bind(keep.now.0)
            .bind(keep.until.0)
            .bind(self.config.flushes())
            .bind(i32::from(keep.answer.status))
            .bind(keep.answer.content_type.as_deref().map(text))
            .bind(keep.answer.body);
        let row = self.desk.one("keep an answer under a key", asking).await?;
        row.try_get(0)
            .map_err(|source| decode::broken(source).with_outcome(Outcome::Unknown))
    }

    async fn free(&self, key: IdempotencyKey, holder: Uuid) -> Result<()> {
        let asking = sqlx::query("SELECT zupa.free_key($1, $2)")
            .bind(key.as_bytes().to_vec())
            .bind(holder);
        self.desk.all("free a key", asking).await.map(drop)
    }

    async fn forget(&self, _now: Timestamp, limit: usize) -> Result<u64> {
        let asking = sqlx::query("SELECT zupa.forget_keys($1)")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let row = self.desk.one("forget old keys", asking).await?;
        decode::number(&row, 0)
    }
}
