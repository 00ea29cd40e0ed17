//! A wall clock that was set back, while a process served or between two of them.
//!
//! *Arrives*: a sign of life from before the one that is on record.
//! *Leaves*: what waits a certain time (claims, retries, bursts, sends in doubt, wakes) waits no
//! longer than it would have. Times that people gave, as those of reminders and
//! approvals, stay what they are.
//! *If the process dies here*: it is in the transaction of the sign of life, so both are
//! there or neither.

use rusqlite::params;
use zupa_core::{Result, Timestamp};

use super::row::{Prepared, one};

/// Clocks are corrected in small steps all the time; nobody minds a minute.
const NOTICED_MICROS: i64 = 60_000_000;

/// Looks whether `now` lies before the last sign of life, and moves what waits.
pub(super) fn notice(connection: &Prepared<'_>, now: Timestamp) -> Result<()> {
    let last: Option<i64> = connection.one("SELECT heartbeat_at FROM installation", [], one)?;
    let by = last.map_or(0, |last| last.saturating_sub(now.0));
    if by <= NOTICED_MICROS {
        return Ok(());
    }
    let moved = params![now.0, by];
    connection.run(
        "UPDATE turns SET not_before = not_before - ?2
         WHERE not_before > ?1 AND id IN (
             SELECT open_turn FROM conversations INDEXED BY conversations_due
             WHERE due_at IS NOT NULL AND open_turn IS NOT NULL)",
        moved,
    )?;
    connection.run(
        "UPDATE outbox INDEXED BY outbox_open SET not_before = not_before - ?2
         WHERE open = 1 AND not_before > ?1",
        moved,
    )?;
    connection.run(
        "UPDATE conversations INDEXED BY conversations_due SET
             due_at = due_at - iif(due_at > ?1, ?2, 0),
             opened_at = opened_at - iif(opened_at > ?1, ?2, 0),
             closes_at = closes_at - iif(closes_at > ?1, ?2, 0),
             expires_at = expires_at - iif(expires_at > ?1, ?2, 0)
         WHERE due_at IS NOT NULL",
        moved,
    )?;
    connection.run(
        "UPDATE conversations INDEXED BY conversations_wake SET wake_at = wake_at - ?2
         WHERE wake_at > ?1",
        moved,
    )?;
    Ok(())
}
