//! Counts of everything, and the state of the store itself.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use zupa_core::desk::{Accounting, Packed, ProcessState, ProcessView, StoreStatus};
use zupa_core::{DeliveryState, InboundState, ProcessId, Result, packed};

use crate::config::PostgresConfig;
use crate::migrations::wanted_version;
use crate::session::Sessions;
use crate::store::decode;

/// The longest that counting may take, and a little.
const LONGEST_COUNT: Duration = Duration::from_secs(11 * 60);

pub(super) async fn accounting(readers: &Sessions) -> Result<Accounting> {
    // One statement is one snapshot. What was accepted is counted apart from the
    // states, in the conversations' numbering: every number that is not an
    // outbound's was an inbound's.
    const COUNT: &str = "count inbounds";
    // It reads everything, which takes longer than any step of the path may.
    let mut counting = readers.take(COUNT).await?.patient(LONGEST_COUNT);
    counting.begin(COUNT).await?;
    let patience = sqlx::query("SET LOCAL statement_timeout = '10min'");
    counting.all(COUNT, patience).await?;
    let query = sqlx::query(
        "SELECT 'in', CASE WHEN b.state = 'queued' AND b.number BETWEEN t.first AND t.last
                           THEN 'claimed' ELSE b.state END AS state, count(*)
         FROM zupa.inbounds b JOIN zupa.conversations c ON c.id = b.conversation
         LEFT JOIN zupa.turns t ON t.id = c.open_turn
         GROUP BY 2
         UNION ALL SELECT 'out', state, count(*) FROM zupa.outbox GROUP BY state
         UNION ALL SELECT 'numbers', '', coalesce(sum(last_number - redriven), 0)::bigint
                   FROM zupa.conversations
         UNION ALL SELECT 'outbounds', '', coalesce(sum(outbounds + said), 0)::bigint
                   FROM zupa.turns
         UNION ALL SELECT 'purged', '', purged_inbounds FROM zupa.installation",
    );
    let rows = counting.all(COUNT, query).await?;
    counting.end(COUNT).await?;

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
        let state = decode::text(row, 1)?;
        let count = decode::number(row, 2)?;
        match decode::text(row, 0)?.as_str() {
            "in" => {
                let ended = InboundState::parse(&state).is_some_and(InboundState::has_ended);
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

fn add(side: &mut BTreeMap<String, u64>, state: String, count: u64) {
    *side.entry(state).or_default() += count;
}

pub(super) async fn status(readers: &Sessions, config: &PostgresConfig) -> Result<StoreStatus> {
    const STATUS: &str = "read the store's status";
    let mut session = readers.take(STATUS).await?;
    let query = sqlx::query(
        "SELECT current_setting('server_version'), current_setting('synchronous_commit'),
                pg_database_size(current_database()),
                (SELECT count(*) FROM zupa.conversations)",
    );
    let row = session.one(STATUS, query).await?;
    let query = sqlx::query(
        "SELECT id, started_at, heartbeat_at, stale, ended_at IS NOT NULL, zupa.lives(id, zupa.now())
         FROM zupa.processes ORDER BY started_at DESC LIMIT 100",
    );
    let processes = session.all(STATUS, query).await?;
    let query = sqlx::query("SELECT coalesce(max(version), 0) FROM zupa.migrations");
    let version = session.one(STATUS, query).await?;
    let query = sqlx::query(
        "SELECT convert_from(substring(raw FROM 1 FOR 32), 'UTF8'), octet_length(raw)::bigint FROM
             (SELECT raw FROM zupa.inbounds WHERE raw IS NOT NULL
              ORDER BY accepted_at DESC LIMIT 1000) AS newest
         WHERE substring(raw FROM 1 FOR 5) = convert_to($1, 'UTF8')",
    )
    .bind(packed::MARK);
    let payloads = session.all(STATUS, query).await?;
    session.give_back();
    let mut saved = Packed::default();
    for row in &payloads {
        saved.payloads += 1;
        saved.bytes += packed::unpacked_bytes(&decode::text(row, 0)?).unwrap_or_default();
        saved.stored_bytes += decode::number(row, 1)?;
    }
    Ok(StoreStatus {
        engine: format!("PostgreSQL {}", decode::text(&row, 0)?),
        location: config.location(),
        schema_version: version.try_get(0).map_err(decode::broken)?,
        schema_wanted: wanted_version(),
        bytes: decode::number(&row, 2)?,
        log_bytes: 0,
        durability: format!("synchronous_commit {}", decode::text(&row, 1)?),
        conversations: decode::number(&row, 3)?,
        packed: saved,
        processes: processes.iter().map(process).collect::<Result<_>>()?,
    })
}

fn process(row: &PgRow) -> Result<ProcessView> {
    let ended: bool = row.try_get(4).map_err(decode::broken)?;
    let lives: bool = row.try_get(5).map_err(decode::broken)?;
    Ok(ProcessView {
        id: ProcessId(decode::uuid(row, 0)?),
        started_at: decode::time(row, 1)?,
        heartbeat_at: decode::time(row, 2)?,
        stale: decode::number(row, 3)?,
        state: match (ended, lives) {
            (true, _) => ProcessState::Ended,
            (false, true) => ProcessState::Alive,
            (false, false) => ProcessState::Silent,
        },
    })
}
