//! Stop 3, `turn`, in SQL: an effect that is about to start, or its result, and
//! what is said with it.
//!
//! *Arrives*: an intent or a result, under the claim it was made.
//! *Leaves*: a step that later runs of the turn reuse, with its outbox rows.
//! *If the process dies here*: step and rows are there or not; without the result
//! the effect is paid again, or its class decides; with it never.

use rusqlite::params;
use zupa_core::packed;
use zupa_core::store::{Record, Recorded};
use zupa_core::{Error, Result, Timestamp};

use super::outbox::{self, Place};
use super::row::{Prepared, one};

/// Writes a step, if the claim still holds and it says something new.
pub(super) fn record(connection: &Prepared<'_>, item: &Record, now: Timestamp) -> Result<Recorded> {
    let result = item.step.result.as_deref();
    if let Some(result) = result {
        serde_json::from_str::<serde::de::IgnoredAny>(result)
            .map_err(|source| Error::invalid("a step's result is not JSON").with_source(source))?;
    }
    let result = result.map(packed::pack).transpose()?;
    let holds: bool = connection.one(
        "SELECT EXISTS (SELECT 1 FROM conversations
             WHERE id = ?1 AND epoch = ?2 AND open_turn = ?3 AND holder IS NOT NULL)",
        params![
            item.conversation.as_bytes(),
            item.epoch.0.cast_signed(),
            item.turn.as_bytes()
        ],
        one,
    )?;
    if !holds {
        return Ok(Recorded::Stale);
    }
    // A result fills its intent where that stands; another input is another
    // effect under the same key. Anything else is known already.
    let written = connection.run(
        "INSERT INTO steps (turn_id, step_key, input, result, run, recorded_at, ordinal, class)
         VALUES (?1, ?2, ?3, coalesce(?4, ''), ?5, ?6, ?7, ?8)
         ON CONFLICT (turn_id, step_key) DO UPDATE SET input = excluded.input,
             result = excluded.result, run = excluded.run, recorded_at = excluded.recorded_at,
             ordinal = CASE WHEN steps.input = excluded.input THEN steps.ordinal
                            ELSE excluded.ordinal END,
             class = CASE WHEN steps.input = excluded.input THEN steps.class
                          ELSE excluded.class END
         WHERE steps.input <> excluded.input OR (steps.result = '' AND excluded.result <> '')",
        params![
            item.turn.as_bytes(),
            item.step.key,
            item.step.input.0,
            result,
            item.run,
            now.0,
            item.step.ordinal,
            item.step.class.as_str()
        ],
    )?;
    if written == 1 && !item.say.is_empty() {
        say(connection, item, now)?;
    }
    Ok(Recorded::Written)
}

/// Writes what goes with a step behind all that the conversation has so far.
fn say(connection: &Prepared<'_>, item: &Record, now: Timestamp) -> Result<()> {
    let count = item.say.len() as i64;
    let (last, held): (i64, bool) = connection.one(
        "UPDATE conversations SET last_number = last_number + ?2 WHERE id = ?1
         RETURNING last_number,
             hold_kind IS NOT NULL OR coalesce(silenced_turn = open_turn, 0)",
        params![item.conversation.as_bytes(), count],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let said: i64 = connection.one(
        "UPDATE turns SET said = said + ?2, outbounds = outbounds + ?2 WHERE id = ?1
         RETURNING said",
        params![item.turn.as_bytes(), count],
        one,
    )?;
    let place = Place {
        conversation: item.conversation,
        turn: item.turn,
        number: last - count + 1,
        ordinal: said - count,
        said: true,
        held,
    };
    outbox::write(connection, &place, &item.say, now)
}
