//! What went wrong with inbounds and deliveries. Kept beside the end that it leads to,
//! and before it: the dead letter that the end may make looks it up.

use rusqlite::params;
use zupa_core::store::{FailureNote, Settle};
use zupa_core::{Result, Timestamp, TurnId};

use super::row::Prepared;

/// A failure of a run.
pub(super) struct Failed<'a> {
    pub class: &'a str,
    pub message: &'a str,
    /// When it runs again.
    pub not_before: Option<Timestamp>,
    pub counts: bool,
}

impl<'a> Failed<'a> {
    pub fn of(failure: &'a FailureNote, not_before: Option<Timestamp>) -> Self {
        Self {
            class: failure.kind.as_str(),
            message: &failure.message,
            not_before,
            counts: failure.counts,
        }
    }
}

/// Keeps a failure of an open turn with every inbound of its range.
pub(super) fn of_turn(
    connection: &Prepared<'_>,
    turn: TurnId,
    failed: &Failed<'_>,
    now: Timestamp,
) -> Result<()> {
    connection.run(
        "INSERT INTO failures (kind, source, ordinal, turn_id, run, at, class, message,
             not_before, counted)
         SELECT 'inbound', b.event_id, 0, t.id, t.runs, ?2, ?3, ?4, ?5, ?6
         FROM turns t JOIN inbounds b ON b.conversation = t.conversation
              AND b.number BETWEEN t.first AND t.last AND b.state = 'queued'
         WHERE t.id = ?1 ORDER BY b.number",
        params![
            turn.as_bytes(),
            now.0,
            failed.class,
            failed.message,
            failed.not_before.map(|at| at.0),
            failed.counts
        ],
    )?;
    Ok(())
}

/// Keeps a failure of the attempt that has no answer yet.
pub(super) fn of_attempt(
    connection: &Prepared<'_>,
    item: &Settle,
    (class, message): (&'static str, &'static str),
    not_before: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    connection.run(
        "INSERT INTO failures (kind, source, ordinal, turn_id, run, at, class, message,
             not_before, counted)
         SELECT 'delivery', turn_id, ordinal, turn_id, attempts, ?4, ?5, ?7, ?6, 1
         FROM outbox WHERE conversation = ?1 AND number = ?2 AND attempts = ?3
           AND (state = 'sending' OR state = 'in_doubt')",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            item.attempt,
            now.0,
            class,
            not_before,
            message
        ],
    )?;
    Ok(())
}
