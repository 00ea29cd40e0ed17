//! Forgetting what is old: dedupe keys, raw payloads, news that nobody asked for.

use rusqlite::{Connection, params};
use zupa_core::{Result, Timestamp};

use super::row::Sql;

pub(super) fn purge(
    connection: &Connection,
    keys_before: Timestamp,
    raw_before: Timestamp,
    limit: usize,
) -> Result<u64> {
    let limit = limit as i64;
    let keys = connection.run(
        "DELETE FROM processed_events WHERE (platform_id, scope, channel, tenant) IN
            (SELECT p.platform_id, p.scope, p.channel, p.tenant FROM processed_events p
             JOIN inbounds b ON b.event_id = p.event_id
             WHERE p.accepted_at < ?1 AND b.state <> 'queued' LIMIT ?2)",
        params![keys_before.0, limit],
    )?;
    let raws = connection.run(
        "UPDATE inbounds SET raw = NULL WHERE event_id IN
            (SELECT event_id FROM inbounds
             WHERE raw IS NOT NULL AND accepted_at < ?1 AND state <> 'queued' LIMIT ?2)",
        params![raw_before.0, limit],
    )?;
    let news = connection.run(
        "DELETE FROM receipts WHERE (about, channel, tenant) IN
            (SELECT about, channel, tenant FROM receipts WHERE at < ?1 LIMIT ?2)",
        params![raw_before.0, limit],
    )?;
    Ok((keys + raws + news) as u64)
}
