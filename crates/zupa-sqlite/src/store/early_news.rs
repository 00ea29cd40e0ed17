//! Edits and revokes: of a message that no turn has, or that has not come yet.

use rusqlite::params;
use zupa_core::{Address, PlatformId, Receipt, Result, Timestamp};

use super::row::{Blob, Prepared, one};

/// News that came before its message.
pub(super) struct EarlyNews {
    /// Of an edit; none if the message was taken back.
    pub content: Option<String>,
    pub said_at: Option<i64>,
}

/// Takes what was kept for a message that comes now.
pub(super) fn take(
    connection: &Prepared<'_>,
    address: &Address,
    about: &PlatformId,
) -> Result<Option<EarlyNews>> {
    connection.maybe(
        "DELETE FROM early_news WHERE about = ?1 AND channel = ?2 AND tenant = ?3
         RETURNING content, said_at",
        params![
            about.as_str(),
            address.channel.as_str(),
            address.tenant.as_str()
        ],
        |row| {
            Ok(EarlyNews {
                content: row.get(0)?,
                said_at: row.get(1)?,
            })
        },
    )
}

/// Changes the words of a message, or, without any, ends it. One that a turn has is
/// history; one that nobody knows is waited for.
pub(super) fn change(
    connection: &Prepared<'_>,
    item: &Receipt,
    content: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let Some(event) = event_of(connection, item)? else {
        return keep(connection, item, content, now);
    };
    let Some((conversation, number)) = unclaimed(connection, event)? else {
        return Ok(());
    };
    match content {
        // As `is_newer_edit` has it.
        Some(content) => connection.run(
            "UPDATE inbounds SET content = ?3, edited_at = coalesce(?4, edited_at)
             WHERE conversation = ?1 AND number = ?2
               AND (edited_at IS NULL OR ?4 > edited_at)",
            params![conversation, number, content, item.at.map(|at| at.0)],
        )?,
        None => revoke(connection, conversation, number)?,
    };
    Ok(())
}

fn revoke(connection: &Prepared<'_>, conversation: Blob, number: i64) -> Result<usize> {
    connection.run(
        "UPDATE inbounds SET state = 'silent', reason = 'revoked'
         WHERE conversation = ?1 AND number = ?2",
        params![conversation, number],
    )?;
    connection.run(
        "UPDATE conversations SET pending = pending - 1,
             opened_at = CASE WHEN pending - internals > 1 THEN opened_at END,
             due_at = CASE WHEN pending > 1 OR open_turn IS NOT NULL THEN due_at END
         WHERE id = ?1",
        params![conversation],
    )
}

/// Keeps the newest edit, or that the message was taken back, which stays.
fn keep(
    connection: &Prepared<'_>,
    item: &Receipt,
    content: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    connection.run(
        "INSERT INTO early_news (about, channel, tenant, content, said_at, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (about, channel, tenant) DO UPDATE
             SET content = excluded.content, said_at = excluded.said_at
             WHERE early_news.content IS NOT NULL
               AND (excluded.content IS NULL OR early_news.said_at IS NULL
                    OR excluded.said_at > early_news.said_at)",
        params![
            item.about.as_str(),
            item.channel.as_str(),
            item.tenant.as_str(),
            content,
            item.at.map(|at| at.0),
            now.0
        ],
    )?;
    Ok(())
}

/// The message that news is about. News names no scope, so it is one that has none.
fn event_of(connection: &Prepared<'_>, item: &Receipt) -> Result<Option<Blob>> {
    connection.maybe(
        "SELECT event_id FROM processed_events
         WHERE platform_id = ?1 AND scope = '' AND channel = ?2 AND tenant = ?3",
        params![
            item.about.as_str(),
            item.channel.as_str(),
            item.tenant.as_str()
        ],
        one,
    )
}

/// The place of an inbound that is queued and in no turn's range.
fn unclaimed(connection: &Prepared<'_>, event: Blob) -> Result<Option<(Blob, i64)>> {
    connection.maybe(
        "SELECT b.conversation, b.number FROM inbounds b
         JOIN conversations c ON c.id = b.conversation
         LEFT JOIN turns t ON t.id = c.open_turn
         WHERE b.event_id = ?1 AND b.state = 'queued' AND b.number > coalesce(t.last, 0)",
        params![event],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
