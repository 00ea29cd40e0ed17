//! Counts of everything, and the state of the store itself.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use zupa_core::desk::{Accounting, Packed, ProcessState, ProcessView, StoreStatus};
use zupa_core::{DeliveryState, InboundState, ProcessId, Result, Timestamp, packed};

use crate::config::{Durability, SqliteConfig};
use crate::error;
use crate::open;
use crate::store::decode;

pub(super) async fn accounting(readers: &SqlitePool) -> Result<Accounting> {
    // One statement is one snapshot. What was accepted is counted apart from the
    // states, in the conversations' numbering: every number that is not an
    // outbound's was an inbound's. One that was tried again by an operator has had
    // several.
    let rows = sqlx::query(
        "SELECT 'in', CASE WHEN b.state = 'queued' AND b.number BETWEEN t.first AND t.last
                           THEN 'claimed' ELSE b.state END AS state, count(*)
         FROM inbounds b JOIN conversations c ON c.id = b.conversation
         LEFT JOIN turns t ON t.id = c.open_turn
         GROUP BY 2
         UNION ALL SELECT 'out', state, count(*) FROM outbox GROUP BY state
         UNION ALL SELECT 'numbers', '', coalesce(sum(last_number - redriven), 0) FROM conversations
         UNION ALL SELECT 'outbounds', '', coalesce(sum(outbounds), 0) FROM turns
         UNION ALL SELECT 'purged', '', purged_inbounds FROM installation",
    )
    .fetch_all(readers)
    .await
    .map_err(|source| error::of_reader("count inbounds", source))?;

    let mut accounting = Accounting::default();
    for state in InboundState::ALL {
        let side = if state.has_ended() {
            &mut accounting.ended
        } else {
            &mut accounting.open
        };
        side.insert(state.as_str().to_owned(), 0);
    }
    accounting.deliveries = DeliveryState::ALL
        .iter()
        .map(|state| (state.as_str().to_owned(), 0))
        .collect();
    let (mut numbers, mut outbounds) = (0, 0);
    for row in &rows {
        let part: &str = row.try_get(0).map_err(decode::broken)?;
        let state: &str = row.try_get(1).map_err(decode::broken)?;
        let count = decode::number(row, 2)?;
        match part {
            "in" => {
                let ended = InboundState::parse(state).is_some_and(InboundState::has_ended);
                let side = if ended {
                    &mut accounting.ended
                } else {
                    &mut accounting.open
                };
                add(side, state, count);
            }
            "out" => add(&mut accounting.deliveries, state, count),
            "numbers" => numbers = count,
            "outbounds" => outbounds = count,
            _ => accounting.purged = count,
        }
    }
    accounting.accepted = numbers.saturating_sub(outbounds);
    Ok(accounting)
}

fn add(side: &mut BTreeMap<String, u64>, state: &str, count: u64) {
    *side.entry(state.to_owned()).or_default() += count;
}

/// `serving` is the process that serves through this very handle.
pub(super) async fn status(
    readers: &SqlitePool,
    config: &SqliteConfig,
    serving: Option<ProcessId>,
) -> Result<StoreStatus> {
    let row = sqlx::query(
        "SELECT sqlite_version(), (SELECT coalesce(max(version), 0) FROM _sqlx_migrations),
                (SELECT count(*) FROM conversations), process, started_at, heartbeat_at, clean,
                stale
         FROM installation",
    )
    .fetch_one(readers)
    .await
    .map_err(|source| error::of_reader("read the store's status", source))?;
    let payloads = sqlx::query(
        "SELECT substr(raw, 1, 32), octet_length(raw) FROM
             (SELECT raw FROM inbounds ORDER BY rowid DESC LIMIT 1000)
         WHERE substr(raw, 1, 5) = $1",
    )
    .bind(packed::MARK)
    .fetch_all(readers)
    .await
    .map_err(|source| error::of_reader("read the store's status", source))?;
    let mut saved = Packed::default();
    for row in &payloads {
        saved.payloads += 1;
        saved.bytes += packed::unpacked_bytes(&decode::text(row, 0)?).unwrap_or_default();
        saved.stored_bytes += decode::number(row, 1)?;
    }
    Ok(StoreStatus {
        engine: format!("SQLite {}", decode::text(&row, 0)?),
        location: config.path.display().to_string(),
        schema_version: row.try_get(1).map_err(decode::broken)?,
        schema_wanted: open::wanted_version(),
        bytes: size(&config.path),
        log_bytes: size(&with_suffix(&config.path, "-wal")),
        durability: match config.durability {
            Durability::Full => "full".into(),
            Durability::Normal => "normal".into(),
        },
        conversations: decode::number(&row, 2)?,
        packed: saved,
        processes: process(&row, serving)?.into_iter().collect(),
    })
}

/// The one process. It holds the file's lock as long as it lives, so another
/// that is on record without having said goodbye is dead.
fn process(row: &SqliteRow, serving: Option<ProcessId>) -> Result<Option<ProcessView>> {
    let known: Option<Vec<u8>> = row.try_get(3).map_err(decode::broken)?;
    if known.is_none() {
        return Ok(None);
    }
    let id = ProcessId(decode::uuid(row, 3)?);
    let time = |at| {
        row.try_get::<Option<i64>, _>(at)
            .map(|time| Timestamp(time.unwrap_or_default()))
            .map_err(decode::broken)
    };
    let ended: bool = row.try_get(6).map_err(decode::broken)?;
    Ok(Some(ProcessView {
        id,
        started_at: time(4)?,
        heartbeat_at: time(5)?,
        state: match (ended, serving == Some(id)) {
            (true, _) => ProcessState::Ended,
            (false, true) => ProcessState::Alive,
            (false, false) => ProcessState::Silent,
        },
        stale: decode::number(row, 7)?,
    }))
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map(|file| file.len()).unwrap_or(0)
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
