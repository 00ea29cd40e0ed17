//! What is in a store or a copy of one, by words that every schema version
//! knows.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use zupa_core::{Error, ErrorKind, Result, Timestamp};

use super::{Kept, failed, open};

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The schema's version.
    pub schema_version: i64,
    /// The oldest schema version whose binaries may serve it.
    pub serves_from: i64,
    /// Conversations.
    pub conversations: u64,
    /// Inbounds that are kept.
    pub inbounds: u64,
    /// Turns.
    pub turns: u64,
    /// Audit entries.
    pub audit_entries: u64,
    /// When the newest inbound was accepted, in microseconds since 1970.
    pub newest_accepted_at: Option<Timestamp>,
}

/// Reads what is in the file.
///
/// *Errors*: [`ErrorKind::Corrupt`] when it is damaged or no store of ours,
/// [`ErrorKind::Unavailable`] when it cannot be read.
pub fn contents(path: &Path, kept: Kept) -> Result<Contents> {
    let connection = open(path, kept)?;
    refuse_foreign(&connection, path)?;
    let read = || -> rusqlite::Result<Contents> {
        // A read transaction, so that all counts are of one moment.
        connection.execute_batch("BEGIN")?;
        let schema_version = connection.query_row(
            "SELECT coalesce(max(version), 0) FROM _sqlx_migrations",
            [],
            |row| row.get(0),
        )?;
        Ok(Contents {
            schema_version,
            serves_from: serves_from(&connection)?.unwrap_or(schema_version),
            conversations: count(&connection, "SELECT count(*) FROM conversations")?,
            inbounds: count(&connection, "SELECT count(*) FROM inbounds")?,
            turns: count(&connection, "SELECT count(*) FROM turns")?,
            audit_entries: count(&connection, "SELECT count(*) FROM audit")?,
            newest_accepted_at: connection
                .query_row(
                    "SELECT accepted_at FROM inbounds ORDER BY rowid DESC LIMIT 1",
                    [],
                    |row| row.get(0).map(Timestamp),
                )
                .optional()?,
        })
    };
    read().map_err(|source| failed("read what is in a store", path, source))
}

fn count(connection: &Connection, sql: &'static str) -> rusqlite::Result<u64> {
    connection.query_row(sql, [], |row| row.get(0).map(i64::cast_unsigned))
}

/// `None` where the schema is older than the word.
fn serves_from(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let known: bool = connection.query_row(
        "SELECT count(*) > 0 FROM pragma_table_info('installation') WHERE name = 'serves_from'",
        [],
        |row| row.get(0),
    )?;
    if !known {
        return Ok(None);
    }
    connection
        .query_row("SELECT serves_from FROM installation", [], |row| row.get(0))
        .map(Some)
}

fn refuse_foreign(connection: &Connection, path: &Path) -> Result<()> {
    let ours: bool = connection
        .query_row(
            "SELECT count(*) = 2 FROM sqlite_schema
             WHERE type = 'table' AND name IN ('_sqlx_migrations', 'installation')",
            [],
            |row| row.get(0),
        )
        .map_err(|source| failed("read what is in a store", path, source))?;
    if ours {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corrupt, "the file is no store of ours").with("path", path.display()))
}
