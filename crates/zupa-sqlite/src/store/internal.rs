//! Inbounds that come from nobody: a wait that was settled, a wake.

use rusqlite::params;
use zupa_core::{Content, ConversationId, EventId, Number, Result, Timestamp};

use super::row::{Prepared, json};

/// Puts an internal inbound at the end of a conversation, under the event id that
/// its number gives; answers when the conversation is due.
pub(super) fn write(
    connection: &Prepared<'_>,
    conversation: ConversationId,
    event: impl FnOnce(Number) -> EventId,
    content: &Content,
    now: Timestamp,
) -> Result<Timestamp> {
    // What waits before it has waited long enough; what comes behind it opens a
    // window of its own. An open turn keeps its time.
    let (number, due_at): (i64, Option<i64>) = connection.one(
        "UPDATE conversations SET last_number = last_number + 1, pending = pending + 1,
             internals = internals + 1, opened_at = NULL, closes_at = NULL,
             due_at = CASE WHEN open_turn IS NULL THEN min(coalesce(due_at, ?2), ?2)
                           ELSE due_at END
         WHERE id = ?1 RETURNING last_number, due_at",
        params![conversation.as_bytes(), now.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let event = event(Number(number.cast_unsigned()));
    connection.run(
        "INSERT INTO inbounds (conversation, number, event_id, origin, platform_id, accepted_at,
             state, content)
         VALUES (?1, ?2, ?3, 'internal', ?4, ?5, 'queued', ?6)",
        params![
            conversation.as_bytes(),
            number,
            event.as_bytes(),
            format!("internal:{event}"),
            now.0,
            json(content)?
        ],
    )?;
    Ok(due_at.map_or(now, Timestamp))
}
