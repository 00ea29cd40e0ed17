//! A conversation in a human's hands, in SQL.
//!
//! *Arrives*: operators who take a conversation, hand it back, or end its session.
//! *Leaves*: a hold or none, with its entry in the audit.
//! *If the process dies here*: the transaction is there or not.

use rusqlite::{Row, params};
use zupa_core::desk::{Holding, NewHold, Releasing};
use zupa_core::{AuditEntry, Content, ConversationId, EventId, Hold, Result, Timestamp, Wake};

use super::row::{Blob, Prepared, one};
use super::{audit, dead_letters, decode, internal};

/// Takes a conversation from the agent, unless somebody has it.
pub(super) fn hold(
    connection: &Prepared<'_>,
    id: ConversationId,
    wish: &NewHold,
    entry: AuditEntry,
) -> Result<Holding> {
    let now = entry.at;
    let human_at = wish.human_at.map(|at| at.0);
    let known = connection.maybe(
        "UPDATE conversations SET human_at =
             CASE WHEN hold_kind IS NULL THEN ?2 ELSE max(coalesce(human_at, ?2), coalesce(?2, human_at)) END
         WHERE id = ?1 RETURNING hold_kind, hold_by, held_at, human_at",
        params![id.as_bytes(), human_at],
        Held::read,
    )?;
    match known {
        None => return Ok(Holding::NotFound),
        Some(Held {
            kind: Some(kind),
            by,
            since,
            human_at,
        }) => {
            return Ok(Holding::Already(Hold {
                kind: decode::hold_kind(&kind)?,
                by,
                since: Timestamp(since),
                human_at: human_at.map(Timestamp),
            }));
        }
        Some(_) => {}
    }
    audit::append(connection, id, entry)?;
    connection.run(
        "UPDATE conversations SET hold_kind = ?2, hold_by = ?3, held_at = ?4, open_replies = 0
         WHERE id = ?1",
        params![id.as_bytes(), wish.kind.as_str(), wish.by, now.0],
    )?;
    connection.run(
        "UPDATE outbox SET state = 'cancelled', open = 0, reason = ?2, not_before = NULL,
             settled_at = ?3
         WHERE conversation = ?1 AND open = 1 AND state IN ('queued', 'retry')",
        params![id.as_bytes(), Hold::REASON, now.0],
    )?;
    // What is on the wire, or in doubt, is settled by evidence, and does not go out again.
    connection.run(
        "UPDATE outbox SET reason = ?2
         WHERE conversation = ?1 AND open = 1 AND state IN ('sending', 'in_doubt')",
        params![id.as_bytes(), Hold::TAKEN_OVER],
    )?;
    cancel_replies(connection, id, now)?;
    Ok(Holding::Done)
}

/// Nobody waits for the person any more.
pub(super) fn cancel_replies(
    connection: &Prepared<'_>,
    id: ConversationId,
    now: Timestamp,
) -> Result<()> {
    connection.run(
        "UPDATE waits SET state = 'cancelled', settled_at = ?2
         WHERE conversation = ?1 AND state = 'open' AND kind = 'reply'",
        params![id.as_bytes(), now.0],
    )?;
    Ok(())
}

/// Hands a conversation back, if somebody has it.
pub(super) fn release(
    connection: &Prepared<'_>,
    id: ConversationId,
    answered_until: Option<Timestamp>,
    entry: AuditEntry,
) -> Result<Releasing> {
    let now = entry.at;
    let known = connection.maybe(
        "SELECT hold_kind, hold_by, held_at, human_at FROM conversations WHERE id = ?1",
        params![id.as_bytes()],
        Held::read,
    )?;
    let Some(held) = known else {
        return Ok(Releasing::NotFound);
    };
    if held.kind.is_none() {
        return Ok(Releasing::NotHeld);
    }
    audit::append(connection, id, entry)?;
    connection.run(
        "UPDATE conversations SET hold_kind = NULL, hold_by = NULL, held_at = NULL,
             human_at = NULL, handed_back_at = ?2 WHERE id = ?1",
        params![id.as_bytes(), now.0],
    )?;
    let until = answered_until.max(held.human_at.map(Timestamp));
    let answered = match until {
        Some(until) => answered_by_human(connection, id, until, now)?,
        None => 0,
    };
    let due_at: Option<i64> = connection.one(
        "SELECT due_at FROM conversations WHERE id = ?1",
        params![id.as_bytes()],
        one,
    )?;
    Ok(Releasing::Done {
        answered,
        due_at: due_at.map(Timestamp),
    })
}

/// Ends what a human has read and answered; answers how many messages.
fn answered_by_human(
    connection: &Prepared<'_>,
    id: ConversationId,
    until: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    dead_letters::answered_by_human(connection, id, until)?;
    let superseded = supersede(connection, id, until, now)?;
    let pending = connection.run(
        "UPDATE inbounds SET state = 'answered_by_human'
         WHERE conversation = ?1 AND state = 'queued' AND origin = 'external'
           AND accepted_at <= ?2
           AND number > (SELECT coalesce(t.last, c.consumed) FROM conversations c
                         LEFT JOIN turns t ON t.id = c.open_turn WHERE c.id = ?1)",
        params![id.as_bytes(), until.0],
    )?;
    // What is left has waited long enough; an open turn keeps its time.
    connection.run(
        "UPDATE conversations SET pending = pending - ?2,
             opened_at = CASE WHEN pending - internals > ?2 THEN opened_at END,
             closes_at = CASE WHEN pending - internals > ?2 THEN closes_at END,
             due_at = CASE WHEN open_turn IS NOT NULL THEN due_at
                           WHEN pending > ?2 THEN min(coalesce(due_at, ?3), ?3) END
         WHERE id = ?1",
        params![id.as_bytes(), pending as i64, now.0],
    )?;
    Ok((superseded + pending) as u64)
}

/// Ends an open turn over messages that a human has answered, or silences it where a
/// process is on it or it has begun what matters. Answers how many messages ended.
fn supersede(
    connection: &Prepared<'_>,
    id: ConversationId,
    until: Timestamp,
    now: Timestamp,
) -> Result<usize> {
    let open: Option<Open> = connection.maybe(
        "SELECT t.id, t.first, t.last, c.holder IS NOT NULL
                OR EXISTS (SELECT 1 FROM steps s WHERE s.turn_id = t.id AND s.class <> 'pure')
         FROM conversations c JOIN turns t ON t.id = c.open_turn
         WHERE c.id = ?1 AND NOT EXISTS (
             SELECT 1 FROM inbounds b WHERE b.conversation = ?1
               AND b.number BETWEEN t.first AND t.last AND b.state = 'queued'
               AND (b.origin = 'internal' OR b.accepted_at > ?2))",
        params![id.as_bytes(), until.0],
        |row| {
            Ok(Open {
                turn: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
                goes_on: row.get(3)?,
            })
        },
    )?;
    let Some(open) = open else {
        return Ok(0);
    };
    if open.goes_on {
        connection.run(
            "UPDATE conversations SET silenced_turn = open_turn WHERE id = ?1",
            params![id.as_bytes()],
        )?;
        return Ok(0);
    }
    connection.run(
        "UPDATE turns SET state = 'superseded', reason = NULL, ended_at = ?2, not_before = NULL
         WHERE id = ?1",
        params![open.turn, now.0],
    )?;
    connection.run(
        "UPDATE conversations SET open_turn = NULL, consumed = max(consumed, ?2) WHERE id = ?1",
        params![id.as_bytes(), open.last],
    )?;
    connection.run(
        "UPDATE inbounds SET state = 'answered_by_human', turn_id = ?4
         WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'",
        params![id.as_bytes(), open.first, open.last, open.turn],
    )
}

/// A turn whose messages a human has answered.
struct Open {
    turn: Blob,
    first: i64,
    last: i64,
    goes_on: bool,
}

/// Wakes the agent so that it ends the session.
pub(super) fn end_session(
    connection: &Prepared<'_>,
    id: ConversationId,
    entry: AuditEntry,
) -> Result<Option<Timestamp>> {
    let now = entry.at;
    let known: Option<bool> = connection.maybe(
        "SELECT 1 FROM conversations WHERE id = ?1",
        params![id.as_bytes()],
        one,
    )?;
    if known.is_none() {
        return Ok(None);
    }
    audit::append(connection, id, entry)?;
    wake(connection, id, Wake::EndSession, now).map(Some)
}

/// Writes the internal inbound of a wake; answers when the conversation is due.
pub(super) fn wake(
    connection: &Prepared<'_>,
    id: ConversationId,
    why: Wake,
    now: Timestamp,
) -> Result<Timestamp> {
    connection.run(
        "UPDATE conversations SET wake_at = NULL WHERE id = ?1",
        params![id.as_bytes()],
    )?;
    let event = |number| EventId::of_wake(id, number);
    internal::write(connection, id, event, &Content::Wake { why }, now)
}

/// The columns of a hold, of which all or none are set.
struct Held {
    kind: Option<String>,
    by: String,
    since: i64,
    human_at: Option<i64>,
}

impl Held {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            kind: row.get(0)?,
            by: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            since: row.get::<_, Option<i64>>(2)?.unwrap_or_default(),
            human_at: row.get(3)?,
        })
    }
}
