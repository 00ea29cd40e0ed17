//! Reads of the path: what is due, and what was said.

use sqlx::postgres::PgRow;
use zupa_core::store::{Delivery, Due, OpenDoors};
use zupa_core::turn::Message;
use zupa_core::{
    Address, Alias, ChannelId, Content, ConversationId, DeliveryId, DeliveryState, Number,
    ProcessId, Result, Role, TenantId, Timestamp, TurnId,
};

use super::decode;
use crate::session::Sessions;

pub(super) async fn due(
    readers: &Sessions,
    process: Option<ProcessId>,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Due>> {
    let rows = readers
        .all(
            "list what is due",
            sqlx::query(
                // Free, or held by nobody who lives: as zupa.held_until says, written out so
                // that it is not called for each row.
                "SELECT c.id, c.due_at - ((SELECT zupa.now()) - $1), c.tenant
         FROM zupa.conversations c LEFT JOIN zupa.processes p ON p.id = c.holder
         WHERE c.due_at <= $2 + ((SELECT zupa.now()) - $1) AND c.hold_kind IS NULL
           AND (c.holder IS NULL OR p.ended_at IS NOT NULL
                OR (c.expires_at <= (SELECT zupa.now())
                    AND (c.holder = $3 OR p.id IS NULL OR p.expires_at <= (SELECT zupa.now()))))
         ORDER BY c.due_at LIMIT $4",
            )
            .bind(now.0)
            .bind(until.0)
            .bind(process.map(|process| process.0))
            .bind(limit as i64),
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                conversation: ConversationId(decode::uuid(row, 0)?),
                at: decode::time(row, 1)?,
                tenant: TenantId::parse(decode::text(row, 2)?)?,
            })
        })
        .collect()
}

/// Makes due what waits for a provider.
pub(super) async fn hasten(readers: &Sessions, limit: usize) -> Result<Vec<ConversationId>> {
    let hastening = sqlx::query("SELECT zupa.hasten($1)").bind(limit as i64);
    let rows = readers.all("hasten what waits", hastening).await?;
    rows.iter()
        .map(|row| Ok(ConversationId(decode::uuid(row, 0)?)))
        .collect()
}

pub(super) async fn due_deliveries(
    readers: &Sessions,
    now: Timestamp,
    doors: &OpenDoors,
    limit: usize,
) -> Result<Vec<Delivery>> {
    let names = |doors: &[ChannelId]| -> Vec<String> {
        doors.iter().map(|door| door.as_str().to_owned()).collect()
    };
    let rows = readers.all("list deliveries that are due", sqlx::query(
        "SELECT o.conversation, o.number, o.turn_id, o.ordinal, o.content, o.state, o.attempts,
                c.tenant, c.channel, c.alias,
                CASE WHEN o.attempts > 0 THEN coalesce(o.tried_at, o.committed_at)
                     - ((SELECT zupa.now()) - $2) END, o.lane
         FROM zupa.outbox o JOIN zupa.conversations c ON c.id = o.conversation
         WHERE o.open
           AND (o.state = 'queued' OR o.not_before <= (SELECT zupa.now())
                -- It has waited for the person, who was heard since.
                OR o.state = 'retry' AND o.reason = 'window_closed'
                   AND c.heard_at > coalesce(o.heard_at, 0))
           AND (c.channel = ANY($3) OR (o.lane = 'reply' AND c.channel = ANY($4)))
           AND NOT EXISTS (SELECT 1 FROM zupa.outbox e WHERE e.conversation = o.conversation
                           AND e.lane = o.lane AND e.number < o.number AND e.open
                           -- While the lane waits for the person, templates leave. What is
                           -- said is looked at last, as it may be long.
                           AND NOT CASE WHEN (
                               SELECT zupa.is_awaited(h.state, h.reason, h.not_before,
                                   h.heard_at, c.heard_at, (SELECT zupa.now()))
                               FROM zupa.outbox h WHERE h.conversation = o.conversation
                                   AND h.lane = o.lane AND h.open
                               ORDER BY h.number LIMIT 1)
                           THEN o.content::json ->> 'kind' = 'template'
                                AND e.content::json ->> 'kind' <> 'template'
                           ELSE false END)
         ORDER BY o.lane <> 'reply', o.committed_at LIMIT $1",
    )
    .bind(limit as i64)
    .bind(now.0)
    .bind(names(&doors.all))
    .bind(names(&doors.replies))).await?;
    rows.iter().map(delivery).collect()
}

fn delivery(row: &PgRow) -> Result<Delivery> {
    let state = decode::text(row, 5)?;
    Ok(Delivery {
        conversation: ConversationId(decode::uuid(row, 0)?),
        number: Number(decode::number(row, 1)?),
        id: DeliveryId {
            turn: TurnId(decode::uuid(row, 2)?),
            ordinal: decode::count(row, 3)?,
        },
        content: decode::json(row, 4)?,
        // An attempt whose time is over without an answer is in doubt.
        state: match DeliveryState::parse(&state) {
            Some(DeliveryState::Sending) | None => DeliveryState::InDoubt,
            Some(state) => state,
        },
        attempts: decode::count(row, 6)?,
        tried_at: decode::maybe_time(row, 10)?,
        to: Address {
            tenant: TenantId::parse(decode::text(row, 7)?)?,
            channel: ChannelId::parse(decode::text(row, 8)?)?,
            alias: Alias::parse(decode::text(row, 9)?)?,
        },
        lane: decode::lane(row, 11)?,
    })
}

pub(super) async fn history(
    readers: &Sessions,
    conversation: ConversationId,
    limit: usize,
) -> Result<Vec<Message>> {
    // Each side is a short walk back along its key, whatever lies before. An
    // inbound stands where its turn's first answer stands, or would have stood.
    let rows = readers
        .all(
            "read a conversation's history",
            sqlx::query(
                "SELECT number, speaker, content FROM (
             (SELECT coalesce(t.first_outbound, b.number) AS place, 0 AS side,
                     b.number AS number, 'user' AS speaker, b.content AS content
              FROM zupa.inbounds b JOIN zupa.turns t ON t.id = b.turn_id
              WHERE b.conversation = $1 AND b.state IN ('answered', 'silent')
                AND b.origin = 'external'
              ORDER BY b.number DESC LIMIT $2)
             UNION ALL
             (SELECT o.number, 1, o.number, 'assistant', o.content FROM zupa.outbox o
              WHERE o.conversation = $1 AND NOT o.aside AND o.reason IS DISTINCT FROM 'held'
              ORDER BY o.number DESC LIMIT $2)) AS both_sides
         ORDER BY place DESC, side DESC, number DESC LIMIT $2",
            )
            .bind(conversation.0)
            .bind(limit as i64),
        )
        .await?;
    rows.iter().rev().map(message).collect()
}

fn message(row: &PgRow) -> Result<Message> {
    let content: Content = decode::json(row, 2)?;
    Ok(Message {
        number: Number(decode::number(row, 0)?),
        role: Role::parse(&decode::text(row, 1)?).unwrap_or(Role::User),
        text: content.as_prompt_text(),
    })
}

pub(super) async fn backlog(readers: &Sessions) -> Result<u64> {
    // Open inbounds are few beside the rest; conversations with work are indexed.
    let row = readers
        .one(
            "count the backlog",
            sqlx::query(
                "SELECT coalesce(sum(c.pending + (SELECT count(*) FROM zupa.inbounds b
                 WHERE b.conversation = c.id AND b.number BETWEEN t.first AND t.last
                   AND b.state = 'queued')), 0)::bigint
         FROM zupa.conversations c LEFT JOIN zupa.turns t ON t.id = c.open_turn
         WHERE c.due_at IS NOT NULL",
            ),
        )
        .await?;
    decode::number(&row, 0)
}
