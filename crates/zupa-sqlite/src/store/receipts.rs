//! News about messages already known, or not known yet.
//!
//! *Arrives*: statuses, edits and revokes, in any order, repeated at will.
//! *Leaves*: levels that only go up; changes to inbounds that no turn has; what is
//! about nothing known yet, kept.
//! *If the process dies here*: the platform tells again, or the level is lower
//! than it could be; no message depends on it.

use rusqlite::params;
use uuid::Uuid;
use zupa_core::store::{Settle, Settlement};
use zupa_core::{
    ConversationId, DeliveryId, Number, Receipt, ReceiptLevel, ReceiptNews, Result, Timestamp,
};

use super::row::{Blob, Prepared, json};
use super::{dead_letters, deliver, early_news, person};

pub(super) fn receipt(connection: &Prepared<'_>, item: &Receipt, now: Timestamp) -> Result<()> {
    match &item.news {
        ReceiptNews::Status { level, key } => {
            // A key that is not ours is somebody else's message.
            let key = key.as_deref().and_then(|key| DeliveryId::parse(key).ok());
            status(connection, item, *level, key, now)
        }
        ReceiptNews::Edit { content } => {
            early_news::change(connection, item, Some(&json(content)?), now)
        }
        ReceiptNews::Revoke => early_news::change(connection, item, None, now),
        ReceiptNews::Echo { to } => person::echo(connection, item, to, now),
        ReceiptNews::Moved { who } => person::moved(connection, item, who, now),
        ReceiptNews::Wish { who, wish } => person::wish(connection, item, (who, *wish), now),
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
    if let Some(key) = key.filter(|_| level == ReceiptLevel::Failed) {
        end(connection, item, key, now)?;
    }
    let by_key = match key {
        Some(key) => connection.run(
            "UPDATE outbox SET receipt = max(receipt, ?5),
                 platform_id = coalesce(platform_id, ?6), settled_at = coalesce(settled_at, ?7),
                 state = CASE WHEN ?8 AND outbox.state <> 'cancelled'
                                   AND (outbox.state <> 'failed' OR ?5 >= ?9)
                              THEN 'sent' ELSE outbox.state END,
                 reason = CASE WHEN ?8 AND outbox.state <> 'cancelled'
                                    AND (outbox.state <> 'failed' OR ?5 >= ?9)
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
                proves_sent,
                ReceiptLevel::Delivered as u8
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
             state = CASE WHEN ?6 AND state <> 'cancelled' AND (state <> 'failed' OR ?4 >= ?7)
                          THEN 'sent' ELSE state END,
             reason = CASE WHEN ?6 AND state <> 'cancelled' AND (state <> 'failed' OR ?4 >= ?7)
                           THEN NULL ELSE reason END,
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
            proves_sent,
            ReceiptLevel::Delivered as u8
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

/// Ends a delivery that the platform has given up on: one that was tried and is open. An
/// id that its row knows is of an attempt that was settled long ago.
fn end(connection: &Prepared<'_>, item: &Receipt, key: DeliveryId, now: Timestamp) -> Result<()> {
    let tried: Option<(Blob, i64, u32)> = connection.maybe(
        "SELECT o.conversation, o.number, o.attempts
         FROM turns t JOIN conversations c ON c.id = t.conversation
         JOIN outbox o ON o.conversation = t.conversation AND o.turn_id = t.id
         WHERE t.id = ?1 AND o.ordinal = ?2 AND c.channel = ?3 AND c.tenant = ?4
           AND o.open = 1 AND o.attempts > 0 AND o.platform_id IS NOT ?5",
        params![
            key.turn.as_bytes(),
            key.ordinal,
            item.channel.as_str(),
            item.tenant.as_str(),
            item.about.as_str()
        ],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some((conversation, number, attempt)) = tried else {
        return Ok(());
    };
    // What waits to be sent again may have left before.
    connection.run(
        "UPDATE outbox SET state = 'in_doubt'
         WHERE conversation = ?1 AND number = ?2 AND (state = 'queued' OR state = 'retry')",
        params![conversation, number],
    )?;
    let settle = Settle {
        conversation: ConversationId(Uuid::from_bytes(conversation)),
        number: Number(number.cast_unsigned()),
        attempt,
        settlement: Settlement::FAILED_BY_STATUS,
    };
    deliver::settle(connection, &settle, now)
}
