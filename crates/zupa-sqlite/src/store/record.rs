//! Stop 3, `turn`, in SQL: the result of an effect.
//!
//! *Arrives*: a result, under the claim it was made.
//! *Leaves*: a step that later runs of the turn reuse.
//! *If the process dies here*: the step is there or not; without it the effect
//! is paid again, with it never.

use rusqlite::{Connection, params};
use zupa_core::store::{Record, Recorded};
use zupa_core::{Error, Result, Timestamp};

use super::row::Sql;

/// Writes a step, if the claim still holds.
pub(super) fn record(connection: &Connection, item: &Record, now: Timestamp) -> Result<Recorded> {
    serde_json::from_str::<serde::de::IgnoredAny>(&item.step.result)
        .map_err(|source| Error::invalid("a step's result is not JSON").with_source(source))?;
    let written = connection.run(
        "INSERT INTO steps (turn_id, step_key, input, result, run, recorded_at)
         SELECT ?1, ?4, ?5, ?6, ?7, ?8 FROM conversations
         WHERE id = ?2 AND epoch = ?3 AND open_turn = ?1 AND holder IS NOT NULL
         ON CONFLICT (turn_id, step_key) DO UPDATE SET input = excluded.input,
             result = excluded.result, run = excluded.run, recorded_at = excluded.recorded_at",
        params![
            item.turn.as_bytes(),
            item.conversation.as_bytes(),
            item.epoch.0.cast_signed(),
            item.step.key,
            item.step.input.0,
            item.step.result,
            item.run,
            now.0
        ],
    )?;
    Ok(if written == 1 {
        Recorded::Written
    } else {
        Recorded::Stale
    })
}
