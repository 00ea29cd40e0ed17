//! Stop 1, `accept`, in SQL.
//!
//! *Arrives*: an inbound with a fresh event id and a fresh conversation id.
//! *Leaves*: ledger row, aliases, conversation and inbound of a first sighting;
//! a count for a duplicate.
//! *If the process dies here*: the transaction is there or not; the channel was
//! not told, so it delivers again and the ledger decides.

use rusqlite::params;
use zupa_core::packed;
use zupa_core::store::{Accept, Accepted};
use zupa_core::{
    Alias, ConversationId, Digest, EventId, Inbound, InboundState, Number, PlatformId, Result,
    Timestamp,
};

use super::alias;
use super::early_news::{self, EarlyNews};
use super::row::{Blob, Prepared, json, one};
use crate::faults::Planted;

/// Accepts one inbound, or finds that it was accepted before.
pub(super) fn accept(
    connection: &Prepared<'_>,
    item: &Accept,
    now: Timestamp,
    planted: Planted,
) -> Result<Accepted> {
    let inbound = &item.inbound;
    let platform_id = inbound
        .platform_id
        .as_ref()
        .ok_or_else(|| zupa_core::Error::invalid("an inbound to accept has no platform id"))?;
    let content = json(&inbound.content)?;
    // The same as the content's own digest, which would spell it once more.
    let digest = Digest::of(content.as_bytes());
    debug_assert_eq!(digest, inbound.content.digest());
    // A channel belongs to one tenant, so the planted key has to forget both.
    let (tenant, channel) = match planted {
        Planted::DedupeWithoutTenant => ("", ""),
        _ => (
            inbound.address.tenant.as_str(),
            inbound.address.channel.as_str(),
        ),
    };
    // The unique key decides, in one statement.
    let first_sighting = connection.run(
        "INSERT INTO processed_events
             (platform_id, scope, channel, tenant, event_id, digest, accepted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        params![
            platform_id.as_str(),
            inbound.scope,
            channel,
            tenant,
            item.event.as_bytes(),
            digest.0,
            now.0
        ],
    )? == 1;
    if !first_sighting {
        return duplicate(connection, inbound, (platform_id, channel, tenant), digest);
    }
    let (fresh, address) = (item.conversation, &inbound.address);
    let conversation = alias::conversation_of(connection, fresh, address, &inbound.also, now)?;
    let expired = inbound
        .platform_time
        .is_some_and(|sent| sent < item.expires_before);
    let early = match inbound.scope.is_empty() {
        true => early_news::take(connection, &inbound.address, platform_id)?,
        // News names no scope, so it is about what has none.
        false => None,
    };
    let (state, reason) = match &early {
        _ if expired => (InboundState::Expired, None),
        Some(EarlyNews { content: None, .. }) => (InboundState::Silent, Some("revoked")),
        _ => (InboundState::Queued, None),
    };
    let early = early.filter(|_| !expired);
    let edited_at = early.as_ref().and_then(|early| early.said_at);
    let (number, due_at) = enqueue(connection, item, conversation, state, now)?;
    let raw = inbound.raw.as_deref().map(packed::pack_bytes).transpose()?;
    connection.run(
        "INSERT INTO inbounds (conversation, number, event_id, platform_id, platform_time,
             speaker, accepted_at, state, content, raw, request_id, trace_id, reason, edited_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            conversation.as_bytes(),
            number.0.cast_signed(),
            item.event.as_bytes(),
            platform_id.as_str(),
            inbound.platform_time.map(|at| at.0),
            inbound.speaker.as_ref().map(Alias::as_str),
            now.0,
            state.as_str(),
            early.and_then(|early| early.content).unwrap_or(content),
            raw,
            inbound.correlation.request_id,
            inbound.correlation.trace_id,
            reason,
            edited_at
        ],
    )?;
    Ok(match state {
        InboundState::Expired => Accepted::Expired { conversation },
        InboundState::Silent => Accepted::Revoked {
            conversation,
            number,
        },
        _ => Accepted::Queued {
            conversation,
            number,
            due_at,
        },
    })
}

/// Counts the duplicate on the first sighting and keeps newly revealed aliases;
/// another content under the same id changes nothing.
fn duplicate(
    connection: &Prepared<'_>,
    inbound: &Inbound,
    (platform_id, channel, tenant): (&PlatformId, &str, &str),
    digest: Digest,
) -> Result<Accepted> {
    let (event, known): (Blob, [u8; 32]) = connection.one(
        "SELECT event_id, digest FROM processed_events
         WHERE platform_id = ?1 AND scope = ?2 AND channel = ?3 AND tenant = ?4",
        params![platform_id.as_str(), inbound.scope, channel, tenant],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let first_sighting = EventId(uuid::Uuid::from_bytes(event));
    if Digest(known) != digest {
        return Ok(Accepted::Conflict {
            event: first_sighting,
        });
    }
    connection.run(
        "UPDATE inbounds SET duplicates = duplicates + 1 WHERE event_id = ?1",
        params![event],
    )?;
    let conversation: Option<Blob> = connection.maybe(
        "SELECT conversation FROM inbounds WHERE event_id = ?1",
        params![event],
        one,
    )?;
    if let Some(conversation) = conversation {
        alias::know(connection, &inbound.address, &inbound.also, conversation)?;
    }
    Ok(Accepted::Duplicate {
        event: first_sighting,
    })
}

/// Gives the inbound its number, and moves the burst window. Inbounds that come
/// while a turn is open gather for the next one and do not touch its time.
fn enqueue(
    connection: &Prepared<'_>,
    item: &Accept,
    conversation: ConversationId,
    state: InboundState,
    now: Timestamp,
) -> Result<(Number, Timestamp)> {
    let line = connection.one(
        "SELECT last_number, pending, internals, split_until > consumed, opened_at, due_at,
                open_turn IS NOT NULL
         FROM conversations WHERE id = ?1",
        params![conversation.as_bytes()],
        |row| {
            Ok(Line {
                last: row.get(0)?,
                pending: row.get(1)?,
                internals: row.get(2)?,
                is_split: row.get(3)?,
                opened_at: row.get(4)?,
                due_at: row.get(5)?,
                open_turn: row.get(6)?,
            })
        },
    )?;
    let number = line.last + 1;
    // No later than it came.
    let said_at = item.inbound.platform_time.map_or(now, |at| at.min(now));
    let place = Number(number.cast_unsigned());
    if state != InboundState::Queued {
        connection.run(
            "UPDATE conversations SET last_number = ?2, heard_at = max(coalesce(heard_at, ?3), ?3)
             WHERE id = ?1",
            params![conversation.as_bytes(), number, said_at.0],
        )?;
        return Ok((place, now));
    }
    let opened_at = line.opened_at.map_or(now, Timestamp);
    let gathered = match line.internals {
        0 => line.pending,
        _ => gathered(connection, conversation)?,
    };
    let closes_at = item.burst.closes_at(opened_at, now, gathered + 1);
    // What is split, or stands before an internal inbound, is due already.
    let head_is_due = line.pending > 0 && (line.is_split || line.internals > 0);
    let due_at = if line.open_turn || head_is_due {
        line.due_at
    } else {
        Some(closes_at.0)
    };
    connection.run(
        "UPDATE conversations SET last_number = ?2, pending = pending + 1, opened_at = ?3,
             closes_at = ?4, due_at = ?5,
             alias = CASE WHEN ?7 >= coalesce(alias_at, ?7) THEN ?6 ELSE alias END,
             alias_at = max(coalesce(alias_at, ?7), ?7),
             heard_at = max(coalesce(heard_at, ?7), ?7)
         WHERE id = ?1",
        params![
            conversation.as_bytes(),
            number,
            opened_at.0,
            closes_at.0,
            due_at,
            item.inbound.address.alias.as_str(),
            said_at.0
        ],
    )?;
    Ok((place, Timestamp(due_at.unwrap_or(closes_at.0))))
}

/// The conversation's row, as far as its next inbound looks at it.
struct Line {
    last: i64,
    pending: u32,
    /// How many of the pending ones are internal.
    internals: i64,
    is_split: bool,
    opened_at: Option<i64>,
    due_at: Option<i64>,
    open_turn: bool,
}

/// How many gather in the open window: those behind the last internal one.
fn gathered(connection: &Prepared<'_>, conversation: ConversationId) -> Result<u32> {
    connection.one(
        "SELECT count(*) FROM inbounds WHERE conversation = ?1 AND state = 'queued' AND number >
             (SELECT number FROM inbounds
              WHERE conversation = ?1 AND state = 'queued' AND origin = 'internal'
              ORDER BY number DESC LIMIT 1)",
        params![conversation.as_bytes()],
        one,
    )
}
