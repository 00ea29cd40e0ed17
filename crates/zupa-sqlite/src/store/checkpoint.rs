//! Moving the log into the main file, off the commit path.
//!
//! A commit never checkpoints. When the log has grown, another connection copies
//! it while commits go on: a page that was written many times is copied once, so
//! it pays to wait. What came meanwhile is copied too, until little is left; the
//! writer copies that between two batches, so that the log starts anew from its
//! beginning and its file stops growing.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;
use zupa_core::Result;

use super::decode;
use super::writer::Writer;
use crate::error;

/// The log is copied when it holds this many pages: 64 MiB.
const LONG_LOG: i64 = 16_384;
/// The writer copies this many pages itself: 1 MiB.
const LITTLE: i64 = 256;
/// Copies beside the commits before the writer has to do the rest.
const PASSES: u32 = 4;

const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// When to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// If the log is long.
    Long,
    /// Anyway.
    Now,
}

pub(super) async fn checkpoint(
    checkpointer: &Mutex<SqliteConnection>,
    writer: &Writer,
    when: When,
) -> Result<()> {
    let mut checkpointer = checkpointer.lock().await;
    let (mut pages, mut copied) = ask(&mut checkpointer, LOOK).await?;
    if pages == copied || (when == When::Long && pages < LONG_LOG) {
        return Ok(());
    }
    for _ in 0..PASSES {
        if pages - copied <= LITTLE {
            break;
        }
        (_, copied) = ask(&mut checkpointer, COPY).await?;
        (pages, _) = ask(&mut checkpointer, LOOK).await?;
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

/// Answers how many pages the log holds, and how many of them are copied.
async fn ask(connection: &mut SqliteConnection, pragma: &'static str) -> Result<(i64, i64)> {
    let row = sqlx::query(pragma)
        .fetch_one(connection)
        .await
        .map_err(|source| error::of_reader("move the log into the main file", source))?;
    Ok((
        row.try_get(1).map_err(decode::broken)?,
        row.try_get(2).map_err(decode::broken)?,
    ))
}
