//! Dead letters, in SQL: how they are written, what operators do with them, and how they
//! end.
//!
//! *Arrives*: inbounds and deliveries that have given up; acts on one dead letter each.
//! *Leaves*: the letter; the act and its entry in the audit; an inbound at the end of its
//! conversation, or a delivery that waits again.
//! *If the process dies here*: the transaction is there or not.

use std::sync::Arc;

use rusqlite::params;
use uuid::Uuid;
use zupa_core::{
    AuditEntry, Content, ConversationId, DeadLetterAct, DeadLetterActed, DeadLetterId,
    DeadLetterKind, DeadLetterStanding, DeadLetterState, DeadLettersKept, Error, ErrorKind, Lane,
    Result, Timestamp,
};

use super::audit;
use super::row::{Blob, Prepared, json, one};

/// Writes a letter for every inbound of a turn's range that has just died with it. Its
/// failures are written already.
pub(super) fn inbounds_gave_up(
    connection: &Prepared<'_>,
    conversation: Blob,
    (first, last): (i64, i64),
) -> Result<()> {
    connection.run(
        "INSERT INTO dead_letters (kind, source, ordinal, conversation, tenant, number, turn_id,
             content, class, message, request_id, trace_id, first_failed_at, last_failed_at,
             attempts)
         SELECT 'inbound', b.event_id, 0, b.conversation, c.tenant, b.number, f.turn_id,
             json_extract(b.content, '$.kind'), f.class, f.message, b.request_id, b.trace_id,
             (SELECT min(a.at) FROM failures a WHERE a.source = b.event_id AND a.ordinal = 0),
             f.at,
             (SELECT count(*) FROM failures a WHERE a.source = b.event_id AND a.ordinal = 0)
         FROM inbounds b JOIN conversations c ON c.id = b.conversation
              JOIN failures f ON f.rowid = (SELECT max(a.rowid) FROM failures a
                                            WHERE a.source = b.event_id AND a.ordinal = 0)
         WHERE b.conversation = ?1 AND b.number BETWEEN ?2 AND ?3 AND b.state = 'dead'
         ORDER BY b.number
         ON CONFLICT (source, ordinal, kind) DO UPDATE SET state = 'pending',
             turn_id = excluded.turn_id, class = excluded.class, message = excluded.message,
             content = excluded.content, last_failed_at = excluded.last_failed_at,
             attempts = excluded.attempts, reason = NULL, ended_at = NULL",
        params![conversation, first, last],
    )?;
    Ok(())
}

/// Writes a letter for a delivery that has just failed, or that nobody knows of, and what
/// has become of it meanwhile. Its failures are written already.
pub(super) fn delivery_gave_up(
    connection: &Prepared<'_>,
    conversation: Blob,
    number: i64,
    reason: Option<&str>,
) -> Result<()> {
    connection.run(
        "INSERT INTO dead_letters (kind, source, ordinal, conversation, tenant, number, turn_id,
             content, class, message, request_id, trace_id, first_failed_at, last_failed_at,
             attempts, reason)
         SELECT 'delivery', o.turn_id, o.ordinal, o.conversation, c.tenant, o.number, o.turn_id,
             json_extract(o.content, '$.kind'), f.class, f.message, t.request_id, t.trace_id,
             (SELECT min(a.at) FROM failures a
              WHERE a.source = o.turn_id AND a.ordinal = o.ordinal AND a.kind = 'delivery'), f.at,
             (SELECT count(*) FROM failures a
              WHERE a.source = o.turn_id AND a.ordinal = o.ordinal AND a.kind = 'delivery'), ?3
         FROM outbox o JOIN conversations c ON c.id = o.conversation
              JOIN turns t ON t.id = o.turn_id
              JOIN failures f ON f.rowid = (
                  SELECT max(a.rowid) FROM failures a
                  WHERE a.source = o.turn_id AND a.ordinal = o.ordinal AND a.kind = 'delivery')
         WHERE o.conversation = ?1 AND o.number = ?2 AND o.state IN ('failed', 'unknown')
         ON CONFLICT (source, ordinal, kind) DO UPDATE SET state = 'pending',
             class = excluded.class, message = excluded.message,
             last_failed_at = excluded.last_failed_at, attempts = excluded.attempts,
             reason = excluded.reason, ended_at = NULL",
        params![conversation, number, reason],
    )?;
    Ok(())
}

/// Ends the letter of a delivery that nobody knew of: evidence has come that it was sent.
pub(super) fn was_sent(connection: &Prepared<'_>, turn: Blob, ordinal: i64) -> Result<()> {
    connection.run(
        "UPDATE dead_letters SET state = 'done', reason = NULL,
             ended_at = (SELECT o.settled_at FROM outbox o
                         WHERE o.conversation = dead_letters.conversation
                           AND o.number = dead_letters.number)
         WHERE source = ?1 AND ordinal = ?2 AND kind = 'delivery' AND state = 'pending'
           AND EXISTS (SELECT 1 FROM outbox o WHERE o.conversation = dead_letters.conversation
                       AND o.number = dead_letters.number AND o.state = 'sent')",
        params![turn, ordinal],
    )?;
    Ok(())
}

/// Says of the pending letters of a conversation that a human has replied since to what
/// they are about: a message, or those that a delivery answers.
pub(super) fn answered_by_human(
    connection: &Prepared<'_>,
    id: ConversationId,
    until: Timestamp,
) -> Result<()> {
    connection.run(
        "UPDATE dead_letters SET reason = 'answered_by_human'
         WHERE state = 'pending' AND conversation = ?1
           AND coalesce(CASE kind
               WHEN 'inbound' THEN (SELECT b.accepted_at FROM inbounds b
                                    WHERE b.event_id = dead_letters.source)
               ELSE (SELECT max(b.accepted_at) FROM turns t
                     JOIN inbounds b ON b.conversation = t.conversation
                         AND b.number BETWEEN t.first AND t.last
                     WHERE t.id = dead_letters.source) END, ?2) <= ?2",
        params![id.as_bytes(), until.0],
    )?;
    Ok(())
}

/// Ends the letters of what was tried again and has come to an end in this transaction,
/// whichever statement ended it. Mostly there are none.
pub(super) fn follow(connection: &Prepared<'_>) -> Result<()> {
    let any: bool = connection.one(
        "SELECT EXISTS (SELECT 1 FROM dead_letters WHERE state = 'reprocessing')",
        [],
        one,
    )?;
    if !any {
        return Ok(());
    }
    connection.run(
        "UPDATE dead_letters SET
             state = iif(b.state IN ('refused', 'expired'), 'pending', 'done'),
             reason = iif(b.state IN ('refused', 'expired'),
                          b.state || ': ' || coalesce(b.reason, ''), NULL),
             ended_at = iif(b.state IN ('refused', 'expired'), NULL, max(redriven_at,
                 coalesce((SELECT t.ended_at FROM turns t WHERE t.id = b.turn_id),
                          (SELECT i.heartbeat_at FROM installation i), 0)))
         FROM inbounds b
         WHERE dead_letters.state = 'reprocessing' AND dead_letters.kind = 'inbound'
           AND b.event_id = dead_letters.source AND b.state NOT IN ('queued', 'dead')",
        [],
    )?;
    connection.run(
        "UPDATE dead_letters SET
             state = CASE o.state WHEN 'sent' THEN 'done' ELSE 'pending' END,
             reason = CASE o.state WHEN 'sent' THEN NULL
                                   ELSE o.state || ': ' || coalesce(o.reason, '') END,
             ended_at = CASE o.state WHEN 'sent' THEN o.settled_at END
         FROM outbox o
         WHERE dead_letters.state = 'reprocessing' AND dead_letters.kind = 'delivery'
           AND o.conversation = dead_letters.conversation AND o.number = dead_letters.number
           AND o.state IN ('sent', 'cancelled')",
        [],
    )?;
    Ok(())
}

pub(super) fn act(
    connection: &Prepared<'_>,
    id: DeadLetterId,
    act: &DeadLetterAct,
    entry: AuditEntry,
) -> Result<DeadLetterActed> {
    let Some(found) = find(connection, id)? else {
        return Ok(DeadLetterActed::NotFound);
    };
    if let Some(refused) = act.refused(found.standing) {
        return Ok(refused);
    }
    let now = entry.at;
    let conversation = ConversationId(Uuid::from_bytes(found.conversation));
    audit::append(connection, conversation, entry)?;
    match act {
        DeadLetterAct::Retry { .. } => redrive(connection, id, &found, None, now)?,
        DeadLetterAct::Edit { text, .. } => {
            let content = json(&Content::text(text))?;
            redrive(connection, id, &found, Some(content), now)?;
        }
        DeadLetterAct::Discard { reason } => {
            end(connection, &found, DeadLetterState::Discarded, reason, now)?;
        }
        DeadLetterAct::Poison { reason } => {
            end(connection, &found, DeadLetterState::Poison, reason, now)?;
        }
        DeadLetterAct::Tag(tag) => {
            connection.run(
                "UPDATE dead_letters SET tag = ?2 WHERE place = ?1",
                params![found.place, tag],
            )?;
        }
        DeadLetterAct::Forget => forget(connection, &found)?,
    }
    let due_at: Option<i64> = connection.one(
        "SELECT due_at FROM conversations WHERE id = ?1",
        params![found.conversation],
        one,
    )?;
    Ok(DeadLetterActed::Done {
        conversation,
        due_at: due_at.map(Timestamp),
    })
}

struct Found {
    place: i64,
    conversation: Blob,
    /// Of a delivery.
    number: i64,
    standing: DeadLetterStanding,
}

fn find(connection: &Prepared<'_>, id: DeadLetterId) -> Result<Option<Found>> {
    let (source, ordinal) = id.source();
    let row: Option<(i64, Blob, i64, String, [bool; 4])> = connection.maybe(
        "SELECT d.place, d.conversation, d.number, d.state,
                coalesce((SELECT b.origin = 'internal' FROM inbounds b
                          WHERE b.event_id = d.source), 0),
                EXISTS (SELECT 1 FROM waits w WHERE w.id = d.source AND w.node IS NULL),
                CASE d.kind WHEN 'inbound' THEN
                    EXISTS (SELECT 1 FROM failures f JOIN steps s ON s.turn_id = f.turn_id
                            WHERE f.source = d.source AND s.class <> 'pure')
                ELSE EXISTS (SELECT 1 FROM outbox o WHERE o.conversation = d.conversation
                             AND o.number = d.number
                             AND (o.state = 'unknown' OR o.doubled > 0
                                  OR o.receipt NOT IN (0, 3))) END
                OR d.state = 'pending' AND coalesce(d.reason, '') = 'answered_by_human',
                d.content = 'undecodable'
         FROM dead_letters d WHERE d.source = ?1 AND d.ordinal = ?2 AND d.kind = ?3",
        params![source.as_bytes(), ordinal, id.kind().as_str()],
        |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                [row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?],
            ))
        },
    )?;
    let Some((place, conversation, number, state, is)) = row else {
        return Ok(None);
    };
    let [is_internal, is_reminder, matters, is_unread] = is;
    let state = DeadLetterState::parse(&state).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "a stored state is not one of ours").with("state", state)
    })?;
    Ok(Some(Found {
        place,
        conversation,
        number,
        standing: DeadLetterStanding {
            kind: id.kind(),
            state,
            is_internal,
            is_reminder,
            is_unread,
            matters,
        },
    }))
}

fn redrive(
    connection: &Prepared<'_>,
    id: DeadLetterId,
    found: &Found,
    content: Option<String>,
    now: Timestamp,
) -> Result<()> {
    match id.kind() {
        DeadLetterKind::Inbound => requeue(connection, id, found, content, now)?,
        DeadLetterKind::Delivery => send_late(connection, found)?,
    }
    connection.run(
        "UPDATE dead_letters SET state = 'reprocessing', reason = NULL, ended_at = NULL,
             redriven_at = ?2 WHERE place = ?1",
        params![found.place, now.0],
    )?;
    Ok(())
}

/// Moves an inbound to the end of its conversation, which is due: whatever gathers there
/// has waited long enough, and what comes behind an internal one opens a window of its own.
/// An open turn keeps its time.
fn requeue(
    connection: &Prepared<'_>,
    id: DeadLetterId,
    found: &Found,
    content: Option<String>,
    now: Timestamp,
) -> Result<()> {
    let number: i64 = connection.one(
        "UPDATE conversations SET last_number = last_number + 1, redriven = redriven + 1,
             pending = pending + 1, internals = internals + ?3,
             opened_at = CASE WHEN ?3 THEN NULL ELSE coalesce(opened_at, ?2) END,
             closes_at = CASE WHEN ?3 THEN NULL ELSE ?2 END,
             due_at = CASE WHEN open_turn IS NULL THEN min(coalesce(due_at, ?2), ?2)
                           ELSE due_at END
         WHERE id = ?1 RETURNING last_number",
        params![found.conversation, now.0, found.standing.is_internal],
        one,
    )?;
    connection.run(
        "UPDATE inbounds SET number = ?2, state = 'queued', reason = NULL, turn_id = NULL,
             redriven = 1, content = coalesce(?3, content)
         WHERE event_id = ?1",
        params![id.source().0.as_bytes(), number, content],
    )?;
    Ok(())
}

/// Moves a delivery to the end of its conversation, and out of its order.
fn send_late(connection: &Prepared<'_>, found: &Found) -> Result<()> {
    let number: i64 = connection.one(
        "UPDATE conversations SET last_number = last_number + 1, redriven = redriven + 1
         WHERE id = ?1 RETURNING last_number",
        params![found.conversation],
        one,
    )?;
    connection.run(
        "UPDATE outbox SET unasked = unasked OR lane = ?5, number = ?3, lane = ?4, state = 'queued', open = 1, late = 1,
             reason = NULL, not_before = NULL, settled_at = NULL, attempts = 0,
             doubled = doubled + (state = 'unknown' OR doubled > 0 OR receipt NOT IN (0, 3))
         WHERE conversation = ?1 AND number = ?2",
        params![
            found.conversation,
            found.number,
            number,
            Lane::Late.as_str(),
            Lane::Proactive.as_str()
        ],
    )?;
    connection.run(
        "UPDATE dead_letters SET number = ?2 WHERE place = ?1",
        params![found.place, number],
    )?;
    Ok(())
}

fn end(
    connection: &Prepared<'_>,
    found: &Found,
    state: DeadLetterState,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    connection.run(
        "UPDATE dead_letters SET state = ?2, reason = ?3, ended_at = ?4 WHERE place = ?1",
        params![found.place, state.as_str(), reason, now.0],
    )?;
    Ok(())
}

/// Forgets a letter with its failures, and the bytes of what no door could read, which
/// were kept for it alone.
fn forget(connection: &Prepared<'_>, found: &Found) -> Result<()> {
    if found.standing.is_unread {
        let payload = Arc::default();
        connection.run(
            "UPDATE inbounds SET content = ?2
             WHERE event_id = (SELECT source FROM dead_letters WHERE place = ?1)",
            params![found.place, json(&Content::Undecodable { payload })?],
        )?;
    }
    connection.run(
        "DELETE FROM failures WHERE (source, ordinal, kind) =
             (SELECT source, ordinal, kind FROM dead_letters WHERE place = ?1)",
        params![found.place],
    )?;
    connection.run(
        "DELETE FROM dead_letters WHERE place = ?1",
        params![found.place],
    )?;
    Ok(())
}

/// Forgets failures that came to nothing.
pub(super) fn purge(
    connection: &Prepared<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<DeadLettersKept> {
    let gone = connection.run(
        "DELETE FROM failures WHERE rowid IN (
             SELECT f.rowid FROM failures f
             WHERE f.at < ?1
               AND NOT EXISTS (SELECT 1 FROM dead_letters d
                               WHERE d.source = f.source AND d.ordinal = f.ordinal)
               AND NOT EXISTS (SELECT 1 FROM inbounds b
                               WHERE b.event_id = f.source AND b.state = 'queued')
             LIMIT ?2)",
        params![before.0, limit as i64],
    )?;
    let pending: i64 = connection.one(
        "SELECT count(*) FROM dead_letters WHERE state = 'pending'",
        [],
        one,
    )?;
    Ok(DeadLettersKept {
        gone: gone as u64,
        pending: pending.cast_unsigned(),
    })
}
