//! Forgetting what is old: dedupe keys, raw payloads, news that no message has come for.
//!
//! Inbounds lie in the order of their acceptance, so each of their purges goes on where the
//! last one stopped and reads no more rows than it may take away.

use rusqlite::params;
use zupa_core::{Result, Timestamp};

use super::row::{Blob, Prepared, one};

pub(super) fn purge(
    connection: &Prepared<'_>,
    keys_before: Timestamp,
    raw_before: Timestamp,
    limit: usize,
) -> Result<u64> {
    let limit = limit as i64;
    let mut gone = 0;
    let done = connection.one("SELECT keys_purged_through FROM installation", [], one)?;
    let (keys, done) = old(connection, done, keys_before, limit)?;
    for row in keys {
        gone += connection.run(
            "DELETE FROM processed_events WHERE platform_id = ?1 AND event_id = ?2",
            params![row.platform_id, row.event],
        )?;
    }
    connection.run(
        "UPDATE installation SET keys_purged_through = ?1",
        params![done],
    )?;
    let done = connection.one("SELECT raw_purged_through FROM installation", [], one)?;
    let (raws, done) = old(connection, done, raw_before, limit)?;
    for row in raws {
        gone += connection.run(
            "UPDATE inbounds SET raw = NULL WHERE event_id = ?1 AND raw IS NOT NULL",
            params![row.event],
        )?;
    }
    connection.run(
        "UPDATE installation SET raw_purged_through = ?1",
        params![done],
    )?;
    Ok(gone as u64)
}

pub(super) fn forget_news(
    connection: &Prepared<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<u64> {
    let limit = limit as i64;
    let statuses = connection.run(
        "DELETE FROM receipts WHERE (about, channel, tenant) IN
            (SELECT about, channel, tenant FROM receipts WHERE at < ?1 LIMIT ?2)",
        params![before.0, limit],
    )?;
    let others = connection.run(
        "DELETE FROM early_news WHERE (about, channel, tenant) IN
            (SELECT about, channel, tenant FROM early_news WHERE at < ?1 LIMIT ?2)",
        params![before.0, limit],
    )?;
    Ok((statuses + others) as u64)
}

struct Old {
    platform_id: String,
    event: Blob,
}

/// The ended inbounds of before `before` that come after row `done`, and the row
/// up to which nothing is left to do: an open one is passed over, not forgotten.
fn old(
    connection: &Prepared<'_>,
    done: i64,
    before: Timestamp,
    limit: i64,
) -> Result<(Vec<Old>, i64)> {
    let rows = connection.all(
        "SELECT rowid, accepted_at < ?2, state = 'queued', platform_id, event_id FROM inbounds
         WHERE rowid > ?1 ORDER BY rowid LIMIT ?3",
        params![done, before.0, limit],
        |row| {
            let old = Old {
                platform_id: row.get(3)?,
                event: row.get(4)?,
            };
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, bool>(1)?,
                row.get::<_, bool>(2)?,
                old,
            ))
        },
    )?;
    let (mut ended, mut through, mut passed_over) = (Vec::new(), done, false);
    for (row, is_old, is_open, old) in rows {
        if !is_old {
            break;
        }
        passed_over |= is_open;
        if !is_open {
            ended.push(old);
        }
        if !passed_over {
            through = row;
        }
    }
    Ok((ended, through))
}
