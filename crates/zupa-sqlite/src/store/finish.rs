//! Stop 4, `commit`, in SQL.
//!
//! *Arrives*: the end of a run, under the claim it ran under.
//! *Leaves*: range, outbox rows, audit entries, turn and conversation, all or
//! nothing; a stale run changes nothing.
//! *If the process dies here*: the transaction is there or not.

use rusqlite::{Connection, params};
use zupa_core::store::{Commit, FailureNote, Finish, Finished, OutboxRow, TurnEnd, Verdict};
use zupa_core::{
    AuditHead, AuditLink, ConversationId, DeliveryState, Digest, Number, Result, Timestamp,
};

use super::row::{Blob, Sql, json};
use crate::faults::Planted;

/// What the fence needs to know, and what follows from it.
struct Fenced {
    last_number: i64,
    pending: i64,
    closes_at: Option<i64>,
    split_until: i64,
    first: i64,
    last: i64,
    due_at: Option<i64>,
    audit: AuditHead,
}

/// Ends a run: fence first, then the writes.
pub(super) fn finish(
    connection: &Connection,
    item: &Finish,
    now: Timestamp,
    planted: Planted,
) -> Result<Finished> {
    let Some(fenced) = fence(connection, item, planted)? else {
        return already_or_stale(connection, item);
    };
    if fenced.audit != item.audit_head {
        return Ok(Finished::HeadMoved(fenced.audit));
    }
    let first_audit = audits(connection, item)?;
    let next = match &item.end {
        TurnEnd::Release => Next {
            due_at: fenced.due_at,
            ..Next::open()
        },
        TurnEnd::Retry {
            not_before,
            failure,
        } => {
            retry(connection, item, *not_before, failure)?;
            Next {
                due_at: Some(not_before.0),
                ..Next::open()
            }
        }
        TurnEnd::Split { failure } => split(connection, item, failure, &fenced, first_audit, now)?,
        TurnEnd::Commit(commit) => self::commit(
            connection,
            item,
            commit,
            &fenced,
            first_audit,
            (now, planted),
        )?,
    };
    conversation(connection, item, &next)?;
    Ok(Finished::Done {
        numbers: numbers(fenced.last_number + 1, next.outbounds),
        due_at: next.due_at.map(Timestamp),
    })
}

/// The numbers of the outbox rows of one commit: they follow each other.
fn numbers(first: i64, count: i64) -> Vec<Number> {
    (first..first + count)
        .map(|number| Number(number.cast_unsigned()))
        .collect()
}

fn fence(connection: &Connection, item: &Finish, planted: Planted) -> Result<Option<Fenced>> {
    let any_epoch = planted == Planted::CommitWithoutEpoch;
    connection.maybe(
        "SELECT c.last_number, c.pending, c.closes_at, c.due_at, c.audit_number, c.audit_hash,
                c.split_until, t.first, t.last
         FROM conversations c JOIN turns t ON t.id = c.open_turn
         WHERE c.id = ?1 AND (c.epoch = ?2 OR ?4) AND c.open_turn = ?3 AND c.holder IS NOT NULL",
        params![
            item.conversation.as_bytes(),
            item.epoch.0.cast_signed(),
            item.turn.as_bytes(),
            any_epoch
        ],
        |row| {
            Ok(Fenced {
                last_number: row.get(0)?,
                pending: row.get(1)?,
                closes_at: row.get(2)?,
                due_at: row.get(3)?,
                split_until: row.get(6)?,
                first: row.get(7)?,
                last: row.get(8)?,
                audit: AuditHead {
                    number: row.get::<_, i64>(4)?.cast_unsigned(),
                    hash: Digest(row.get(5)?),
                },
            })
        },
    )
}

/// An end that was written under the same claim is the same end.
fn already_or_stale(connection: &Connection, item: &Finish) -> Result<Finished> {
    let ended: Option<(Option<i64>, i64, Option<i64>)> = connection.maybe(
        "SELECT t.first_outbound, t.outbounds, c.due_at
         FROM turns t JOIN conversations c ON c.id = t.conversation
         WHERE t.id = ?1 AND t.epoch = ?2 AND t.state IN ('committed', 'dead', 'superseded')",
        params![item.turn.as_bytes(), item.epoch.0.cast_signed()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(match ended {
        Some((first, outbounds, due_at)) => Finished::Already {
            numbers: numbers(first.unwrap_or_default(), outbounds),
            due_at: due_at.map(Timestamp),
        },
        None => Finished::Stale,
    })
}

/// How the conversation stands after the end.
struct Next {
    turn_stays_open: bool,
    outbounds: i64,
    /// The end of the range, if it was consumed.
    consumed: Option<i64>,
    /// The end of the range, if it was split, and how many are queued again.
    split: Option<(i64, i64)>,
    due_at: Option<i64>,
}

impl Next {
    fn open() -> Self {
        Self {
            turn_stays_open: true,
            outbounds: 0,
            consumed: None,
            split: None,
            due_at: None,
        }
    }
}

/// The turn stays open. It came back, so it did not take the process down.
fn retry(
    connection: &Connection,
    item: &Finish,
    not_before: Timestamp,
    failure: &FailureNote,
) -> Result<()> {
    connection.run(
        "UPDATE turns SET state = 'retry', reason = ?2, not_before = ?3,
             mode = 0, failures = failures + ?4,
             provider_failures = CASE WHEN ?4 THEN 0 ELSE provider_failures + 1 END
         WHERE id = ?1",
        params![
            item.turn.as_bytes(),
            reason(failure),
            not_before.0,
            failure.counts
        ],
    )?;
    Ok(())
}

fn split(
    connection: &Connection,
    item: &Finish,
    failure: &FailureNote,
    fenced: &Fenced,
    first_audit: Option<i64>,
    now: Timestamp,
) -> Result<Next> {
    connection.run(
        "UPDATE turns SET state = 'superseded', reason = ?2, ended_at = ?3, not_before = NULL,
             failures = failures + 1, first_audit = ?4, audits = ?5 WHERE id = ?1",
        params![
            item.turn.as_bytes(),
            reason(failure),
            now.0,
            first_audit,
            item.audit.len() as i64
        ],
    )?;
    let queued: i64 = connection.one(
        "SELECT count(*) FROM inbounds
         WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'",
        params![item.conversation.as_bytes(), fenced.first, fenced.last],
        super::row::one,
    )?;
    Ok(Next {
        turn_stays_open: false,
        split: Some((fenced.last, queued)),
        due_at: Some(now.0),
        ..Next::open()
    })
}

fn commit(
    connection: &Connection,
    item: &Finish,
    commit: &Commit,
    fenced: &Fenced,
    first_audit: Option<i64>,
    (now, planted): (Timestamp, Planted),
) -> Result<Next> {
    let (turn_state, inbound_state, why, failed) = match &commit.verdict {
        Verdict::Answered => ("committed", "answered", None, false),
        Verdict::Silent(why) => ("committed", "silent", Some(why.clone()), false),
        Verdict::Dead(failure) => ("dead", "dead", Some(reason(failure)), true),
    };
    let outbounds = commit.outbound.len() as i64;
    let first_outbound = (outbounds > 0).then_some(fenced.last_number + 1);
    connection.run(
        "UPDATE turns SET state = ?2, reason = ?3, ended_at = ?4, not_before = NULL,
             failures = failures + ?5, provider_failures = 0, first_outbound = ?6, outbounds = ?7,
             first_audit = ?8, audits = ?9
         WHERE id = ?1",
        params![
            item.turn.as_bytes(),
            turn_state,
            why,
            now.0,
            failed,
            first_outbound,
            outbounds,
            first_audit,
            item.audit.len() as i64
        ],
    )?;
    connection.run(
        "UPDATE inbounds SET state = ?4, reason = ?5, turn_id = ?6
         WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'",
        params![
            item.conversation.as_bytes(),
            fenced.first,
            fenced.last,
            inbound_state,
            why,
            item.turn.as_bytes()
        ],
    )?;
    if planted != Planted::OutboxOutsideTransaction {
        outbox(connection, item, commit, fenced.last_number, now)?;
    }
    Ok(Next {
        turn_stays_open: false,
        outbounds,
        consumed: Some(fenced.last),
        due_at: due_after(fenced, now),
        split: None,
    })
}

/// When what is pending is due. The rest of a range that was split is due at
/// once: it has waited for its window before.
fn due_after(fenced: &Fenced, now: Timestamp) -> Option<i64> {
    if fenced.pending == 0 {
        return None;
    }
    if fenced.split_until > fenced.last {
        return Some(now.0);
    }
    Some(fenced.closes_at.unwrap_or(now.0))
}

/// Writes the outbox rows behind the numbers given so far.
pub(super) fn outbox(
    connection: &Connection,
    item: &Finish,
    commit: &Commit,
    last_number: i64,
    now: Timestamp,
) -> Result<()> {
    for (
        ordinal,
        OutboxRow {
            outbound,
            state,
            answer_by,
        },
    ) in commit.outbound.iter().enumerate()
    {
        let ordinal = ordinal as i64;
        connection.run(
            "INSERT INTO outbox (conversation, number, turn_id, ordinal, lane, content, state, open,
                 attempts, not_before, committed_at, settled_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?12, ?8, ?9, ?10, ?11)",
            params![
                item.conversation.as_bytes(),
                last_number + 1 + ordinal,
                item.turn.as_bytes(),
                ordinal,
                outbound.lane.as_str(),
                json(&outbound.content)?,
                state.as_str(),
                *state == DeliveryState::Sending,
                answer_by.map(|at| at.0),
                now.0,
                (*state == DeliveryState::Sent).then_some(now.0),
                state.is_open()
            ],
        )?;
    }
    Ok(())
}

/// Writes the entries of an end; answers the rowid of the first. They follow each
/// other, because nothing else writes meanwhile.
fn audits(connection: &Connection, item: &Finish) -> Result<Option<i64>> {
    let mut first = None;
    for link in &item.audit {
        audit(connection, item.conversation, link)?;
        first.get_or_insert(connection.last_insert_rowid());
    }
    Ok(first)
}

/// Writes an entry of a conversation's chain.
pub(super) fn audit(
    connection: &Connection,
    conversation: ConversationId,
    link: &AuditLink,
) -> Result<()> {
    let entry = &link.entry;
    let turn: Option<Blob> = entry.turn.map(|turn| *turn.as_bytes());
    connection.run(
        "INSERT INTO audit (stream, number, at, actor, action, reason, turn_id, config,
             commitment, salt, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            conversation.as_bytes(),
            link.number.cast_signed(),
            entry.at.0,
            entry.actor,
            entry.action,
            entry.reason,
            turn,
            entry.config.0,
            entry.commitment.map(|digest| digest.0),
            link.salt.map(u64::cast_signed),
            link.hash.0
        ],
    )?;
    Ok(())
}

fn conversation(connection: &Connection, item: &Finish, next: &Next) -> Result<()> {
    let head = item.audit.last().map(|link| link.hash.0);
    connection.run(
        "UPDATE conversations SET holder = NULL,
             open_turn = CASE WHEN ?2 THEN open_turn END,
             last_number = last_number + ?3,
             consumed = max(consumed, coalesce(?4, consumed)),
             split_until = coalesce(?5, split_until), pending = pending + ?6, due_at = ?7,
             audit_number = audit_number + ?8, audit_hash = coalesce(?9, audit_hash)
         WHERE id = ?1",
        params![
            item.conversation.as_bytes(),
            next.turn_stays_open,
            next.outbounds,
            next.consumed,
            next.split.map(|(last, _)| last),
            next.split.map_or(0, |(_, queued)| queued),
            next.due_at,
            item.audit.len() as i64,
            head
        ],
    )?;
    Ok(())
}

/// A failure as one line of a row.
fn reason(failure: &FailureNote) -> String {
    format!("{}: {}", failure.kind.as_str(), failure.message)
}
