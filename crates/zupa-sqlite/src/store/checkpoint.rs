//! Moving the log into the main file, off the commit path.
//!
//! A commit never checkpoints. Another connection copies most of the log while
//! commits go on; then, between two batches, the writer copies the few pages
//! that came meanwhile, so that the log starts anew from its beginning and its
//! file stops growing.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;
use zupa_core::Result;

use super::decode;
use super::writer::Writer;
use crate::error;

/// Below this many pages the log is left alone: 16 MiB.
const SHORT_LOG_PAGES: i64 = 4_096;

const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

pub(super) async fn checkpoint(
    checkpointer: &Mutex<SqliteConnection>,
    writer: &Writer,
) -> Result<()> {
    let mut checkpointer = checkpointer.lock().await;
    let row = sqlx::query(COPY)
        .fetch_one(&mut *checkpointer)
        .await
        .map_err(|source| error::of_reader("move the log into the main file", source))?;
    let pages: i64 = row.try_get(1).map_err(decode::broken)?;
    if pages < SHORT_LOG_PAGES {
        return Ok(());
    }
    writer
        .run(|writing| {
            writing
                .connection
                .query_row(COPY, [], |_| Ok(()))
                .map_err(|source| error::of_writer("move the log into the main file", source))
        })
        .await
}
