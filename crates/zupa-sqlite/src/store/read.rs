//! Reads of the path: what is due, and what was said.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use zupa_core::store::{Delivery, Due, OpenDoors};
use zupa_core::turn::Message;
use zupa_core::{
    Address, Alias, ChannelId, Content, ConversationId, DeliveryId, DeliveryState, Number, Result,
    Role, TenantId, Timestamp, TurnId,
};

use super::decode;
use super::row::json;
use crate::error;

pub(super) async fn due(
    readers: &SqlitePool,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Due>> {
    let rows = sqlx::query(
        "SELECT id, due_at, tenant FROM conversations
         WHERE due_at <= $1 AND (holder IS NULL OR expires_at <= $2) AND hold_kind IS NULL
         ORDER BY due_at LIMIT $3",
    )
    .bind(until.0)
    .bind(now.0)
    .bind(limit as i64)
    .fetch_all(readers)
    .await
    .map_err(|source| error::of_reader("list what is due", source))?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                conversation: ConversationId(decode::uuid(row, 0)?),
                at: Timestamp(row.try_get(1).map_err(decode::broken)?),
                tenant: TenantId::parse(decode::text(row, 2)?)?,
            })
        })
        .collect()
}

pub(super) async fn due_deliveries(
    readers: &SqlitePool,
    now: Timestamp,
    doors: &OpenDoors,
    limit: usize,
) -> Result<Vec<Delivery>> {
    let rows = sqlx::query(
        "SELECT o.conversation, o.number, o.turn_id, o.ordinal, o.content, o.state, o.attempts,
                c.tenant, c.channel, c.alias,
                CASE WHEN o.attempts > 0 THEN coalesce(o.tried_at, o.committed_at) END, o.lane
         FROM outbox o INDEXED BY outbox_open JOIN conversations c ON c.id = o.conversation
         WHERE o.open = 1
           AND (o.state = 'queued' OR o.not_before <= $1
                -- It has waited for the person, who was heard since.
                OR o.state = 'retry' AND o.reason = 'window_closed'
                   AND c.heard_at > coalesce(o.heard_at, 0))
           AND (c.channel IN (SELECT value FROM json_each($3))
                OR (o.lane = 'reply' AND c.channel IN (SELECT value FROM json_each($4))))
           AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.conversation = o.conversation
                           AND e.lane = o.lane AND e.number < o.number AND e.open = 1
                           -- While the lane waits for the person, templates leave. What is
                           -- said is looked at last, as it may be long.
                           AND NOT CASE WHEN (
                               SELECT h.state = 'retry' AND h.reason IS 'window_closed'
                                   AND h.not_before > $1
                                   AND coalesce(c.heard_at, 0) <= coalesce(h.heard_at, 0)
                               FROM outbox h WHERE h.conversation = o.conversation
                                   AND h.lane = o.lane AND h.open = 1
                               ORDER BY h.number LIMIT 1)
                           THEN json_extract(o.content, '$.kind') = 'template'
                                AND json_extract(e.content, '$.kind') <> 'template'
                           ELSE 0 END)
         ORDER BY o.lane <> 'reply', o.committed_at LIMIT $2",
    )
    .bind(now.0)
    .bind(limit as i64)
    .bind(json(&doors.all)?)
    .bind(json(&doors.replies)?)
    .fetch_all(readers)
    .await
    .map_err(|source| error::of_reader("list deliveries that are due", source))?;
    rows.iter().map(delivery).collect()
}

fn delivery(row: &SqliteRow) -> Result<Delivery> {
    let state: &str = row.try_get(5).map_err(decode::broken)?;
    Ok(Delivery {
        conversation: ConversationId(decode::uuid(row, 0)?),
        number: Number(decode::number(row, 1)?),
        id: DeliveryId {
            turn: TurnId(decode::uuid(row, 2)?),
            ordinal: decode::count(row, 3)?,
        },
        content: decode::json(row, 4)?,
        // An attempt whose time is over without an answer is in doubt.
        state: match DeliveryState::parse(state) {
            Some(DeliveryState::Sending) | None => DeliveryState::InDoubt,
            Some(state) => state,
        },
        attempts: decode::count(row, 6)?,
        tried_at: row
            .try_get::<Option<i64>, _>(10)
            .map_err(decode::broken)?
            .map(Timestamp),
        to: Address {
            tenant: TenantId::parse(decode::text(row, 7)?)?,
            channel: ChannelId::parse(decode::text(row, 8)?)?,
            alias: Alias::parse(decode::text(row, 9)?)?,
        },
        lane: decode::lane(row, 11)?,
    })
}

pub(super) async fn history(
    readers: &SqlitePool,
    conversation: ConversationId,
    limit: usize,
) -> Result<Vec<Message>> {
    // Each side is a short walk back along its index, whatever lies before. An
    // inbound stands where the rows of its turn's commit begin.
    let rows = sqlx::query(
        "SELECT number, speaker, content FROM (
             SELECT * FROM (SELECT coalesce(t.first_outbound, b.number) AS place, 0 AS side,
                     b.number AS number, 'user' AS speaker, b.content AS content
                 FROM inbounds b JOIN turns t ON t.id = b.turn_id
                 WHERE b.conversation = $1 AND (b.state = 'answered' OR b.state = 'silent')
                   AND b.origin = 'external'
                 ORDER BY b.number DESC LIMIT $2)
             UNION ALL
             SELECT * FROM (SELECT number, 1, number, 'assistant', content FROM outbox
                 WHERE conversation = $1 AND aside = 0 AND reason IS NOT 'held'
                 ORDER BY number DESC LIMIT $2))
         ORDER BY place DESC, side DESC, number DESC LIMIT $2",
    )
    .bind(conversation.as_bytes().as_slice())
    .bind(limit as i64)
    .fetch_all(readers)
    .await
    .map_err(|source| error::of_reader("read a conversation's history", source))?;
    rows.iter().rev().map(message).collect()
}

fn message(row: &SqliteRow) -> Result<Message> {
    let content: Content = decode::json(row, 2)?;
    let speaker: &str = row.try_get(1).map_err(decode::broken)?;
    Ok(Message {
        number: Number(decode::number(row, 0)?),
        role: Role::parse(speaker).unwrap_or(Role::User),
        text: content.as_prompt_text(),
    })
}

pub(super) async fn backlog(readers: &SqlitePool) -> Result<u64> {
    // Open inbounds are few beside the rest; conversations with work are indexed.
    let row = sqlx::query(
        "SELECT coalesce(sum(c.pending + coalesce(t.inbounds, t.last - t.first + 1, 0)), 0)
         FROM conversations c INDEXED BY conversations_due
         LEFT JOIN turns t ON t.id = c.open_turn
         WHERE c.due_at IS NOT NULL",
    )
    .fetch_one(readers)
    .await
    .map_err(|source| error::of_reader("count the backlog", source))?;
    decode::number(&row, 0)
}
