//! Stop 1, `accept`, in SQL.
//!
//! *Arrives*: inbounds with a fresh event id and a fresh conversation id each.
//! *Leaves*: ledger row, aliases, conversation and inbound of every first
//! sighting; a count for every duplicate.
//! *If the process dies here*: the transaction is there or not; the channel was
//! not told, so it delivers again and the ledger decides.
//!
//! The ledger's unique key makes the decision: an item is a first sighting if
//! and only if the ledger row of its key carries the item's own event id.

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use zupa_core::store::{Accept, Accepted};
use zupa_core::{ConversationId, Error, EventId, Number, Result, Timestamp};

use super::decode;

pub(super) const LEDGER_TENANT: &str = "i.value->>'tn' /* ledger */";

pub(super) const LEDGER: &str = "
INSERT INTO processed_events (platform_id, scope, channel, tenant, event_id, digest, accepted_at)
SELECT i.value->>'pi', i.value->>'sc', i.value->>'ch', i.value->>'tn' /* ledger */,
       unhex(i.value->>'e'), unhex(i.value->>'dg'), $1
FROM json_each($8) i WHERE i.type = 'object' ORDER BY i.key
ON CONFLICT DO NOTHING;";

// A new alias leads to the conversation of an alias known beside it, or to that
// of the first sighting, or to a new one.
pub(super) const ALIASES: &str = "
INSERT INTO aliases (alias, channel, tenant, conversation)
SELECT i.value->>'al', i.value->>'ch', i.value->>'tn',
       coalesce(
         (SELECT a.conversation FROM json_each(i.value->'also') o
          JOIN aliases a ON a.alias = o.value AND a.channel = i.value->>'ch'
                        AND a.tenant = i.value->>'tn'
          ORDER BY o.key LIMIT 1),
         CASE WHEN p.event_id <> unhex(i.value->>'e')
              THEN (SELECT b.conversation FROM inbounds b WHERE b.event_id = p.event_id) END,
         unhex(i.value->>'c'))
FROM json_each($8) i
JOIN processed_events p ON p.platform_id = i.value->>'pi' AND p.scope = i.value->>'sc'
                       AND p.channel = i.value->>'ch' AND p.tenant = i.value->>'tn'
WHERE p.event_id = unhex(i.value->>'e') OR p.digest = unhex(i.value->>'dg')
ORDER BY i.key
ON CONFLICT DO NOTHING;";

pub(super) const FURTHER_ALIASES: &str = "
INSERT INTO aliases (alias, channel, tenant, conversation)
SELECT o.value, a.channel, a.tenant, a.conversation
FROM json_each($8) i
JOIN processed_events p ON p.platform_id = i.value->>'pi' AND p.scope = i.value->>'sc'
                       AND p.channel = i.value->>'ch' AND p.tenant = i.value->>'tn'
JOIN json_each(i.value->'also') o
JOIN aliases a ON a.alias = i.value->>'al' AND a.channel = i.value->>'ch'
              AND a.tenant = i.value->>'tn'
WHERE p.event_id = unhex(i.value->>'e') OR p.digest = unhex(i.value->>'dg')
ON CONFLICT DO NOTHING;";

pub(super) const CONVERSATIONS: &str = "
INSERT INTO conversations (id, tenant, channel, alias, created_at)
SELECT a.conversation, a.tenant, a.channel, a.alias, $1
FROM json_each($8) i
JOIN aliases a ON a.alias = i.value->>'al' AND a.channel = i.value->>'ch'
              AND a.tenant = i.value->>'tn'
WHERE a.conversation = unhex(i.value->>'c')
ON CONFLICT DO NOTHING;";

pub(super) const INBOUNDS: &str = "
INSERT INTO inbounds (conversation, number, event_id, platform_id, platform_time, speaker,
                      accepted_at, state, content, raw, request_id, trace_id)
SELECT c.id, c.last_number + row_number() OVER (PARTITION BY c.id ORDER BY i.key),
       p.event_id, p.platform_id, i.value->>'pt', i.value->>'sp', $1,
       CASE WHEN i.value->>'x' THEN 'expired' ELSE 'queued' END,
       i.value->>'ct', i.value->>'rw', i.value->>'rq', i.value->>'tr'
FROM json_each($8) i
JOIN processed_events p ON p.platform_id = i.value->>'pi' AND p.scope = i.value->>'sc'
                       AND p.channel = i.value->>'ch' AND p.tenant = i.value->>'tn'
                       AND p.event_id = unhex(i.value->>'e')
JOIN aliases a ON a.alias = i.value->>'al' AND a.channel = i.value->>'ch'
              AND a.tenant = i.value->>'tn'
JOIN conversations c ON c.id = a.conversation;";

// The burst window, as `Burst::closes_at` computes it. Inbounds that come while
// a turn is open gather for the next one and do not touch the open one's time.
pub(super) const WINDOWS: &str = "
UPDATE conversations SET
    last_number = n.last,
    pending     = pending + n.fresh,
    opened_at   = CASE WHEN n.fresh = 0 THEN opened_at ELSE coalesce(opened_at, $1) END,
    closes_at   = CASE WHEN n.fresh = 0 THEN closes_at
                       WHEN n.silence = 0 OR pending + n.fresh >= n.max_count THEN $1
                       ELSE min($1 + n.silence, coalesce(opened_at, $1) + n.max_wait) END,
    due_at      = CASE WHEN n.fresh = 0 OR open_turn IS NOT NULL THEN due_at
                       WHEN n.silence = 0 OR pending + n.fresh >= n.max_count THEN $1
                       ELSE min($1 + n.silence, coalesce(opened_at, $1) + n.max_wait) END
FROM (SELECT b.conversation AS id, max(b.number) AS last, sum(b.state = 'queued') AS fresh,
             max(i.value->>'si') AS silence, max(i.value->>'mw') AS max_wait,
             max(i.value->>'mc') AS max_count
      FROM json_each($8) i JOIN inbounds b ON b.event_id = unhex(i.value->>'e')
      GROUP BY b.conversation) n
WHERE conversations.id = n.id;";

pub(super) const ANSWERS: &str = "
SELECT 'accept', i.key, p.event_id, p.digest = unhex(i.value->>'dg'),
       c.id, b.number, b.state, coalesce(c.due_at, $1)
FROM json_each($8) i
JOIN processed_events p ON p.platform_id = i.value->>'pi' AND p.scope = i.value->>'sc'
                       AND p.channel = i.value->>'ch' AND p.tenant = i.value->>'tn'
LEFT JOIN inbounds b ON b.event_id = unhex(i.value->>'e')
LEFT JOIN conversations c ON c.id = b.conversation;";

pub(super) const DUPLICATES: &str = "
UPDATE inbounds SET duplicates = duplicates + d.times
FROM (SELECT p.event_id AS event_id, count(*) AS times
      FROM json_each($8) i
      JOIN processed_events p ON p.platform_id = i.value->>'pi' AND p.scope = i.value->>'sc'
                             AND p.channel = i.value->>'ch' AND p.tenant = i.value->>'tn'
      WHERE p.event_id <> unhex(i.value->>'e') AND p.digest = unhex(i.value->>'dg')
      GROUP BY p.event_id) d
WHERE inbounds.event_id = d.event_id;";

#[derive(Serialize)]
pub(super) struct Item<'a> {
    e: String,
    c: String,
    tn: &'a str,
    ch: &'a str,
    al: &'a str,
    also: Vec<&'a str>,
    pi: &'a str,
    sc: &'a str,
    dg: String,
    pt: Option<i64>,
    sp: Option<&'a str>,
    ct: String,
    rw: Option<&'a str>,
    rq: Option<&'a str>,
    tr: Option<&'a str>,
    x: u8,
    si: i64,
    mw: i64,
    mc: u32,
}

/// The item as the statements read it; refuses what the schema would refuse.
pub(super) fn item(accept: &Accept) -> Result<Item<'_>> {
    let inbound = &accept.inbound;
    let platform_id = inbound
        .platform_id
        .as_ref()
        .ok_or_else(|| Error::invalid("an inbound to accept has no platform id"))?;
    let content = serde_json::to_string(&inbound.content)
        .map_err(|source| Error::invalid("an inbound's content is not JSON").with_source(source))?;
    let expired = inbound
        .platform_time
        .is_some_and(|sent| sent < accept.expires_before);
    Ok(Item {
        e: hex::encode(accept.event.as_bytes()),
        c: hex::encode(accept.conversation.as_bytes()),
        tn: inbound.address.tenant.as_str(),
        ch: inbound.address.channel.as_str(),
        al: inbound.address.alias.as_str(),
        also: inbound.also.iter().map(|alias| alias.as_str()).collect(),
        pi: platform_id.as_str(),
        sc: &inbound.scope,
        dg: inbound.content.digest().to_hex(),
        pt: inbound.platform_time.map(|at| at.0),
        sp: inbound.speaker.as_ref().map(|alias| alias.as_str()),
        ct: content,
        rw: inbound.raw.as_deref(),
        rq: inbound.correlation.request_id.as_deref(),
        tr: inbound.correlation.trace_id.as_deref(),
        x: u8::from(expired),
        si: decode::micros(accept.burst.silence),
        mw: decode::micros(accept.burst.max_wait),
        mc: accept.burst.max_count,
    })
}

/// Reads one row of [`ANSWERS`]: the item's place and its answer.
pub(super) fn answer(row: &SqliteRow) -> Result<(usize, Accepted)> {
    let place = decode::place(row, 1)?;
    let first_sighting = EventId(decode::uuid(row, 2)?);
    let conversation: Option<Vec<u8>> = row.try_get(4).map_err(decode::broken)?;
    let Some(conversation) = conversation else {
        let same: bool = row.try_get(3).map_err(decode::broken)?;
        return Ok((
            place,
            if same {
                Accepted::Duplicate {
                    event: first_sighting,
                }
            } else {
                Accepted::Conflict {
                    event: first_sighting,
                }
            },
        ));
    };
    let conversation = ConversationId(decode::uuid_of(&conversation)?);
    let state: &str = row.try_get(6).map_err(decode::broken)?;
    if state == "expired" {
        return Ok((place, Accepted::Expired { conversation }));
    }
    Ok((
        place,
        Accepted::Queued {
            conversation,
            number: Number(decode::number(row, 5)?),
            due_at: Timestamp(row.try_get(7).map_err(decode::broken)?),
        },
    ))
}
