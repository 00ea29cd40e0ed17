//! Stop 3, `turn`, in SQL: the result of an effect.
//!
//! *Arrives*: results, each under the claim it was made.
//! *Leaves*: a step that later runs of the turn reuse.
//! *If the process dies here*: the step is there or not; without it the effect
//! is paid again, with it never.

use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use zupa_core::store::Record;
use zupa_core::{Error, Result};

use super::decode;

pub(super) const RECORD: &str = "
INSERT INTO steps (turn_id, step_key, input, result, run, recorded_at)
SELECT c.open_turn, i.value->>'k', unhex(i.value->>'in'), i.value->>'r', i.value->>'run', $1
FROM json_each($4) i
JOIN conversations c ON c.id = unhex(i.value->>'c') AND c.epoch = i.value->>'ep'
     AND c.open_turn = unhex(i.value->>'t') AND c.holder IS NOT NULL
WHERE true
ON CONFLICT (turn_id, step_key) DO UPDATE SET input = excluded.input, result = excluded.result,
    run = excluded.run, recorded_at = excluded.recorded_at;
SELECT 'record', i.key
FROM json_each($4) i
JOIN conversations c ON c.id = unhex(i.value->>'c') AND c.epoch = i.value->>'ep'
     AND c.open_turn = unhex(i.value->>'t') AND c.holder IS NOT NULL;";

#[derive(Serialize)]
pub(super) struct Item<'a> {
    c: String,
    t: String,
    ep: u64,
    run: u32,
    k: &'a str,
    r#in: String,
    r: &'a str,
}

pub(super) fn item(record: &Record) -> Result<Item<'_>> {
    serde_json::from_str::<serde::de::IgnoredAny>(&record.step.result)
        .map_err(|source| Error::invalid("a step's result is not JSON").with_source(source))?;
    Ok(Item {
        c: hex::encode(record.conversation.as_bytes()),
        t: hex::encode(record.turn.as_bytes()),
        ep: record.epoch.0,
        run: record.run,
        k: &record.step.key,
        r#in: record.step.input.to_hex(),
        r: &record.step.result,
    })
}

/// Reads one row of [`RECORD`]: the place of a step that was written.
pub(super) fn written(row: &SqliteRow) -> Result<usize> {
    decode::place(row, 1)
}
