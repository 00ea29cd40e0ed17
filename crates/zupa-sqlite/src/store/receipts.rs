//! News about messages already known, or not known yet.
//!
//! *Arrives*: statuses, edits and revokes, in any order, repeated at will.
//! *Leaves*: levels that only go up; changes to inbounds that no turn has.
//! *If the process dies here*: the platform tells again, or the level is lower
//! than it could be; no message depends on it.

use rusqlite::params;
use zupa_core::{DeliveryId, Receipt, ReceiptLevel, ReceiptNews, Result, Timestamp};

use super::accept::event_of;
use super::dead_letters;
use super::row::{Blob, Prepared, json};

pub(super) fn receipt(connection: &Prepared<'_>, item: &Receipt, now: Timestamp) -> Result<()> {
    match &item.news {
        ReceiptNews::Status { level, key } => {
            // A key that is not ours is somebody else's message.
            let key = key.as_deref().and_then(|key| DeliveryId::parse(key).ok());
            status(connection, item, *level, key, now)
        }
        ReceiptNews::Edit { content } => edit(connection, item, &json(content)?),
        ReceiptNews::Revoke => revoke(connection, item),
        // News of a kind that this version does not know changes nothing.
        _ => Ok(()),
    }
}

/// A message that the platform has seen was sent, whatever we believed.
fn status(
    connection: &Prepared<'_>,
    item: &Receipt,
    level: ReceiptLevel,
    key: Option<DeliveryId>,
    now: Timestamp,
) -> Result<()> {
    let proves_sent = level != ReceiptLevel::Failed && level != ReceiptLevel::None;
    let by_key = match key {
        Some(key) => connection.run(
            "UPDATE outbox SET receipt = max(receipt, ?5),
                 platform_id = coalesce(platform_id, ?6), settled_at = coalesce(settled_at, ?7),
                 state = CASE WHEN ?8 AND outbox.state NOT IN ('failed', 'cancelled')
                              THEN 'sent' ELSE outbox.state END,
                 reason = CASE WHEN ?8 AND outbox.state NOT IN ('failed', 'cancelled')
                               THEN NULL ELSE outbox.reason END,
                 open = CASE WHEN ?8 THEN 0 ELSE open END
             FROM turns t JOIN conversations c ON c.id = t.conversation
             WHERE t.id = ?1 AND c.channel = ?3 AND c.tenant = ?4
               AND outbox.conversation = t.conversation AND outbox.turn_id = t.id
               AND outbox.number = coalesce(
                   (SELECT l.number FROM outbox l
                    WHERE l.turn_id = t.id AND l.ordinal = ?2 AND l.late = 1),
                   CASE WHEN ?2 < t.said
                   THEN (SELECT s.number FROM outbox s
                         WHERE s.turn_id = t.id AND s.ordinal = ?2 AND s.said = 1)
                   ELSE t.first_outbound + ?2 - t.said END)",
            params![
                key.turn.as_bytes(),
                key.ordinal,
                item.channel.as_str(),
                item.tenant.as_str(),
                level as u8,
                item.about.as_str(),
                now.0,
                proves_sent
            ],
        )?,
        None => 0,
    };
    if by_key > 0 {
        if let Some(key) = key.filter(|_| proves_sent) {
            let ordinal = i64::from(key.ordinal);
            dead_letters::was_sent(connection, *key.turn.as_bytes(), ordinal)?;
        }
        return Ok(());
    }
    let by_platform_id = connection.run(
        "UPDATE outbox SET receipt = max(receipt, ?4), settled_at = coalesce(settled_at, ?5),
             state = CASE WHEN ?6 AND state NOT IN ('failed', 'cancelled') THEN 'sent'
                          ELSE state END,
             reason = CASE WHEN ?6 AND state NOT IN ('failed', 'cancelled') THEN NULL
                           ELSE reason END,
             open = CASE WHEN ?6 THEN 0 ELSE open END
         WHERE platform_id = ?1
           AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = outbox.conversation
                       AND c.channel = ?2 AND c.tenant = ?3)",
        params![
            item.about.as_str(),
            item.channel.as_str(),
            item.tenant.as_str(),
            level as u8,
            now.0,
            proves_sent
        ],
    )?;
    if by_platform_id > 0 && proves_sent {
        let proved: Vec<(Blob, i64)> = connection.all(
            "SELECT turn_id, ordinal FROM outbox WHERE platform_id = ?1",
            params![item.about.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (turn, ordinal) in proved {
            dead_letters::was_sent(connection, turn, ordinal)?;
        }
    }
    if by_platform_id == 0 {
        connection.run(
            "INSERT INTO receipts (about, channel, tenant, level, at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (about, channel, tenant) DO UPDATE SET level = max(level, excluded.level)",
            params![
                item.about.as_str(),
                item.channel.as_str(),
                item.tenant.as_str(),
                level as u8,
                now.0
            ],
        )?;
    }
    Ok(())
}

fn edit(connection: &Prepared<'_>, item: &Receipt, content: &str) -> Result<()> {
    if let Some((conversation, number)) = unclaimed(connection, item)? {
        connection.run(
            "UPDATE inbounds SET content = ?3 WHERE conversation = ?1 AND number = ?2",
            params![conversation, number, content],
        )?;
    }
    Ok(())
}

fn revoke(connection: &Prepared<'_>, item: &Receipt) -> Result<()> {
    let Some((conversation, number)) = unclaimed(connection, item)? else {
        return Ok(());
    };
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
    )?;
    Ok(())
}

/// The place of an inbound that is queued and in no turn's range.
fn unclaimed(connection: &Prepared<'_>, item: &Receipt) -> Result<Option<(Blob, i64)>> {
    let event = event_of(
        connection,
        item.about.as_str(),
        item.channel.as_str(),
        item.tenant.as_str(),
    )?;
    let Some(event) = event else { return Ok(None) };
    connection.maybe(
        "SELECT b.conversation, b.number FROM inbounds b
         JOIN conversations c ON c.id = b.conversation
         LEFT JOIN turns t ON t.id = c.open_turn
         WHERE b.event_id = ?1 AND b.state = 'queued' AND b.number > coalesce(t.last, 0)",
        params![event],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
