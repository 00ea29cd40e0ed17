//! Whether a store holds together: its pages, its sum, its audit chains.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;
use zupa_core::audit::{AuditEntry, AuditHead, AuditLink, SYSTEM, verify};
use zupa_core::{ConversationId, Digest, Error, ErrorKind, Result, Timestamp, TurnId};

use super::{Kept, failed, open};
use crate::store::SYSTEM_STREAM;

/// What was looked at and found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Audit chains, one per conversation that has entries.
    pub chains: u64,
    /// Their entries.
    pub audit_entries: u64,
}

/// Checks every page, the accounting, and every audit chain up to its head.
///
/// *Behaviour*: reads the whole file; blocks the thread.
/// *Errors*: [`ErrorKind::Corrupt`] with the first thing that does not fit.
pub fn check(path: &Path, kept: Kept) -> Result<Checked> {
    let connection = open(path, kept)?;
    let broken = |what: String| Error::new(ErrorKind::Corrupt, what).with("path", path.display());
    let reading = |source| failed("check a store", path, source);
    connection.execute_batch("BEGIN").map_err(reading)?;
    let pages = pages(&connection).map_err(reading)?;
    if pages != "ok" {
        return Err(broken(format!("the database is damaged: {pages}")));
    }
    let missing = missing(&connection).map_err(reading)?;
    if missing != 0 {
        return Err(broken(format!(
            "the accounting does not balance: accepted and kept inbounds differ by {missing}"
        )));
    }
    chains(&connection).map_err(reading)?.map_err(broken)
}

/// SQLite's own finding, `ok` or the first flaw.
fn pages(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
}

/// What was accepted, counted in the conversations' numbering, less what is kept
/// and what was purged.
fn missing(connection: &Connection) -> rusqlite::Result<i64> {
    let missing: i64 = connection.query_row(
        "SELECT (SELECT coalesce(sum(last_number), 0) FROM conversations)
              - (SELECT coalesce(sum(outbounds), 0) FROM turns)
              - (SELECT count(*) FROM inbounds)
              - (SELECT purged_inbounds FROM installation)",
        [],
        |row| row.get(0),
    )?;
    Ok(missing - left_behind(connection)?)
}

/// Numbers that inbounds have left behind when an operator had them tried again. Schemas
/// of before know no such thing.
fn left_behind(connection: &Connection) -> rusqlite::Result<i64> {
    let is_known: bool = connection.query_row(
        "SELECT count(*) > 0 FROM pragma_table_info('conversations') WHERE name = 'redriven'",
        [],
        |row| row.get(0),
    )?;
    if !is_known {
        return Ok(0);
    }
    connection.query_row(
        "SELECT coalesce(sum(redriven), 0) FROM conversations",
        [],
        |row| row.get(0),
    )
}

/// Follows every chain from its first entry to the head that its conversation
/// keeps. The inner error is a chain that does not fit.
fn chains(connection: &Connection) -> rusqlite::Result<Result<Checked, String>> {
    let mut statement = connection.prepare(
        "SELECT stream, number, at, actor, action, reason, turn_id, config, commitment, salt, hash
         FROM audit ORDER BY stream, number",
    )?;
    let mut rows = statement.query([])?;
    let mut checked = Checked {
        chains: 0,
        audit_entries: 0,
    };
    let mut current: Option<Chain> = None;
    while let Some(row) = rows.next()? {
        let id: [u8; 16] = row.get(0)?;
        if current.as_ref().is_none_or(|chain| chain.id != id) {
            if let Some(Err(broken)) = current.take().map(Chain::ended) {
                return Ok(Err(broken));
            }
            checked.chains += 1;
        }
        let chain = match &mut current {
            Some(chain) => chain,
            none => none.insert(Chain::begin(connection, id)?),
        };
        checked.audit_entries += 1;
        match verify(&chain.stream, chain.head, &[link(row)?]) {
            Ok(head) => chain.head = head,
            Err(number) => {
                return Ok(Err(format!(
                    "the audit chain of {} is broken at entry {number}",
                    chain.stream
                )));
            }
        }
    }
    if let Some(Err(broken)) = current.map(Chain::ended) {
        return Ok(Err(broken));
    }
    // A chain that is gone as a whole is met by no row above.
    let heads: i64 = connection.query_row(
        "SELECT coalesce(sum(audit_number), 0) FROM conversations",
        [],
        |row| row.get(0),
    )?;
    let heads = heads + system_head(connection)?.number.cast_signed();
    if heads.cast_unsigned() != checked.audit_entries {
        return Ok(Err(format!(
            "the audit chains hold {} entries and should hold {heads}",
            checked.audit_entries
        )));
    }
    Ok(Ok(checked))
}

/// Where the chain of the installation ends. Schemas of before know none.
fn system_head(connection: &Connection) -> rusqlite::Result<AuditHead> {
    if !connection.table_exists(None, "audit_heads")? {
        return Ok(AuditHead::default());
    }
    let head = connection
        .prepare_cached("SELECT number, hash FROM audit_heads WHERE stream = ?1")?
        .query_row([SYSTEM], |row| {
            Ok(AuditHead {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                hash: Digest(row.get(1)?),
            })
        })
        .optional()?;
    Ok(head.unwrap_or_default())
}

/// A chain that is being followed.
struct Chain {
    id: [u8; 16],
    stream: String,
    head: AuditHead,
    wanted: AuditHead,
}

impl Chain {
    fn begin(connection: &Connection, id: [u8; 16]) -> rusqlite::Result<Self> {
        if id == *SYSTEM_STREAM.as_bytes() {
            return Ok(Self {
                id,
                stream: SYSTEM.to_owned(),
                head: AuditHead::default(),
                wanted: system_head(connection)?,
            });
        }
        let kept = connection
            .prepare_cached("SELECT audit_number, audit_hash FROM conversations WHERE id = ?1")?
            .query_row([id], |row| {
                Ok(AuditHead {
                    number: row.get::<_, i64>(0)?.cast_unsigned(),
                    hash: Digest(row.get(1)?),
                })
            })
            .optional()?;
        Ok(Self {
            id,
            stream: ConversationId(Uuid::from_bytes(id)).to_string(),
            head: AuditHead::default(),
            wanted: kept.unwrap_or_default(),
        })
    }

    fn ended(self) -> Result<(), String> {
        if self.head == self.wanted {
            return Ok(());
        }
        Err(format!(
            "the audit chain of {} ends at entry {} and not at {}, or with another hash",
            self.stream, self.head.number, self.wanted.number
        ))
    }
}

fn link(row: &Row<'_>) -> rusqlite::Result<AuditLink> {
    let turn: Option<[u8; 16]> = row.get(6)?;
    let commitment: Option<[u8; 32]> = row.get(8)?;
    Ok(AuditLink {
        number: row.get::<_, i64>(1)?.cast_unsigned(),
        entry: AuditEntry {
            at: Timestamp(row.get(2)?),
            actor: row.get(3)?,
            action: row.get(4)?,
            reason: row.get(5)?,
            turn: turn.map(|turn| TurnId(Uuid::from_bytes(turn))),
            config: Digest(row.get(7)?),
            commitment: commitment.map(Digest),
        },
        salt: row.get::<_, Option<i64>>(9)?.map(i64::cast_unsigned),
        hash: Digest(row.get(10)?),
    })
}
