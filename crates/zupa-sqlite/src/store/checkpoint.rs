//! Moving the log into the main file, off the commit path.
//!
//! A commit never checkpoints. Another connection copies most of the log while
//! commits go on; then, between two batches, the few pages that came meanwhile,
//! so that the log starts anew from its beginning and its file stops growing.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;
use zupa_core::Result;

use super::{Writer, decode};
use crate::error::error;

/// Below this many pages the log is left alone: 4 MiB.
const SHORT_LOG_PAGES: i64 = 1_024;

pub(super) async fn checkpoint(
    checkpointer: &Mutex<SqliteConnection>,
    writer: &Mutex<Writer>,
) -> Result<()> {
    let mut checkpointer = checkpointer.lock().await;
    let pages = copy(&mut checkpointer).await?;
    if pages >= SHORT_LOG_PAGES {
        // With the writer held nothing is added, so this copies to the end. It
        // is short: the bulk was copied above.
        let _no_commits = writer.lock().await;
        copy(&mut checkpointer).await?;
    }
    Ok(())
}

/// Copies what is in the log; answers how many pages it holds.
async fn copy(connection: &mut SqliteConnection) -> Result<i64> {
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(connection)
        .await
        .map_err(|source| error("move the log into the main file", source))?;
    row.try_get(1).map_err(decode::broken)
}
