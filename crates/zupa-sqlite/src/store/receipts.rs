//! News about messages already known, or not known yet.
//!
//! *Arrives*: statuses, edits and revokes, in any order, repeated at will.
//! *Leaves*: levels that only go up; changes to inbounds that no turn has; what is
//! about nothing known yet, kept.
//! *If the process dies here*: the platform tells again, or the level is lower
//! than it could be; no message depends on it.

use rusqlite::{Row, params};
use uuid::Uuid;
use zupa_core::store::{Settle, Settlement};
use zupa_core::{
    ConversationId, DeliveryId, DeliveryState, Number, Receipt, ReceiptLevel, ReceiptNews, Result,
    Timestamp,
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
    let mut about = match key {
        Some(key) => by_key(connection, item, key)?,
        None => Vec::new(),
    };
    if about.is_empty() {
        about = by_platform_id(connection, item)?;
    }
    for row in &about {
        tell(connection, item, row, (level, proves_sent), now)?;
    }
    if about.is_empty() {
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

/// A delivery that a status is about.
struct About {
    conversation: Blob,
    number: i64,
    turn: Blob,
    ordinal: i64,
    state: String,
    /// The id that the status names is one that we knew, and the platform has given up on it.
    has_failed: bool,
}

fn by_key(connection: &Prepared<'_>, item: &Receipt, key: DeliveryId) -> Result<Vec<About>> {
    connection.all(
        "SELECT o.conversation, o.number, o.turn_id, o.ordinal, o.state,
                o.platform_id IS ?5 AND o.receipt = ?6
         FROM turns t JOIN conversations c ON c.id = t.conversation
         JOIN outbox o ON o.conversation = t.conversation AND o.turn_id = t.id
         WHERE t.id = ?1 AND c.channel = ?3 AND c.tenant = ?4
           AND o.number = coalesce(
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
            item.about.as_str(),
            ReceiptLevel::Failed as u8
        ],
        about,
    )
}

fn by_platform_id(connection: &Prepared<'_>, item: &Receipt) -> Result<Vec<About>> {
    connection.all(
        "SELECT o.conversation, o.number, o.turn_id, o.ordinal, o.state, o.receipt = ?4
         FROM outbox o JOIN conversations c ON c.id = o.conversation
         WHERE o.platform_id = ?1 AND c.channel = ?2 AND c.tenant = ?3",
        params![
            item.about.as_str(),
            item.channel.as_str(),
            item.tenant.as_str(),
            ReceiptLevel::Failed as u8
        ],
        about,
    )
}

fn about(row: &Row<'_>) -> rusqlite::Result<About> {
    Ok(About {
        conversation: row.get(0)?,
        number: row.get(1)?,
        turn: row.get(2)?,
        ordinal: row.get(3)?,
        state: row.get(4)?,
        has_failed: row.get(5)?,
    })
}

/// What the platform has given up on was sent if it arrived all the same; that it had left
/// before says nothing, and least of all of what an operator has sent since.
fn tell(
    connection: &Prepared<'_>,
    item: &Receipt,
    row: &About,
    (level, proves_sent): (ReceiptLevel, bool),
    now: Timestamp,
) -> Result<()> {
    let has_failed = row.has_failed || row.state == DeliveryState::Failed.as_str();
    let was_sent = proves_sent
        && row.state != DeliveryState::Cancelled.as_str()
        && (level >= ReceiptLevel::Delivered || !has_failed);
    connection.run(
        "UPDATE outbox SET receipt = max(receipt, ?3), platform_id = coalesce(platform_id, ?4),
             settled_at = CASE WHEN ?5 THEN coalesce(settled_at, ?6) ELSE settled_at END,
             state = CASE WHEN ?5 THEN 'sent' ELSE state END,
             reason = CASE WHEN ?5 THEN NULL ELSE reason END,
             open = CASE WHEN ?5 THEN 0 ELSE open END
         WHERE conversation = ?1 AND number = ?2",
        params![
            row.conversation,
            row.number,
            level as u8,
            item.about.as_str(),
            was_sent,
            now.0
        ],
    )?;
    if was_sent {
        dead_letters::was_sent(connection, row.turn, row.ordinal)?;
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
    // What waits to be sent again may have left before. From now on its row knows this
    // attempt, not one of an earlier life.
    connection.run(
        "UPDATE outbox SET platform_id = ?3,
             state = CASE WHEN state IN ('queued', 'retry') THEN 'in_doubt' ELSE state END
         WHERE conversation = ?1 AND number = ?2",
        params![conversation, number, item.about.as_str()],
    )?;
    let settle = Settle {
        conversation: ConversationId(Uuid::from_bytes(conversation)),
        number: Number(number.cast_unsigned()),
        attempt,
        settlement: Settlement::FAILED_BY_STATUS,
    };
    deliver::settle(connection, &settle, now)
}
