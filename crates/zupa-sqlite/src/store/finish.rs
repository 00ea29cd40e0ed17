//! Stop 4, `commit`, in SQL.
//!
//! *Arrives*: the end of a run, under the claim it ran under.
//! *Leaves*: range, outbox rows, state, waits, facts, audit entries, turn and
//! conversation, all or nothing; a stale run changes nothing.
//! *If the process dies here*: the transaction is there or not.

use rusqlite::params;
use zupa_core::store::{Commit, FailureNote, Finish, Finished, TurnEnd, Verdict};
use zupa_core::{AuditHead, Digest, Number, Result, Timestamp};

use super::failures::{self, Failed};
use super::outbox::{self, Place};
use super::row::{Blob, Prepared, one};
use super::{audit, dead_letters, hold, kept, waits};
use crate::faults::Planted;

/// What the fence needs to know, and what follows from it.
struct Fenced {
    last_number: i64,
    pending: i64,
    /// How many of them are internal.
    internals: i64,
    closes_at: Option<i64>,
    split_until: i64,
    first: i64,
    last: i64,
    /// Outbox rows that the turn's steps have written.
    said: i64,
    due_at: Option<i64>,
    /// A human has the conversation, or has answered what the turn is about.
    held: bool,
    audit: AuditHead,
}

/// Ends a run: fence first, then the writes.
pub(super) fn finish(
    connection: &Prepared<'_>,
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
            let failed = Failed::of(failure, Some(*not_before));
            failures::of_turn(connection, item.turn, &failed, now)?;
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
        held: fenced.held,
    })
}

/// The numbers of the outbox rows of one commit: they follow each other.
fn numbers(first: i64, count: i64) -> Vec<Number> {
    (first..first + count)
        .map(|number| Number(number.cast_unsigned()))
        .collect()
}

fn fence(connection: &Prepared<'_>, item: &Finish, planted: Planted) -> Result<Option<Fenced>> {
    let any_epoch = planted == Planted::CommitWithoutEpoch;
    connection.maybe(
        "SELECT c.last_number, c.pending, c.closes_at, c.due_at, c.audit_number, c.audit_hash,
                c.split_until, t.first, t.last, c.internals, t.said,
                c.hold_kind IS NOT NULL OR coalesce(c.silenced_turn = t.id, 0)
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
                internals: row.get(9)?,
                said: row.get(10)?,
                held: row.get(11)?,
                audit: AuditHead {
                    number: row.get::<_, i64>(4)?.cast_unsigned(),
                    hash: Digest(row.get(5)?),
                },
            })
        },
    )
}

/// An end that was written under the same claim is the same end.
fn already_or_stale(connection: &Prepared<'_>, item: &Finish) -> Result<Finished> {
    let ended: Option<(Option<i64>, i64, Option<i64>, bool)> = connection.maybe(
        "SELECT t.first_outbound, t.outbounds - t.said, c.due_at,
                EXISTS (SELECT 1 FROM outbox o WHERE o.conversation = t.conversation
                        AND o.number = t.first_outbound AND o.turn_id = t.id
                        AND o.state = 'cancelled' AND o.reason = 'held')
         FROM turns t JOIN conversations c ON c.id = t.conversation
         WHERE t.id = ?1 AND t.epoch = ?2 AND t.state IN ('committed', 'parked', 'dead', 'superseded')",
        params![item.turn.as_bytes(), item.epoch.0.cast_signed()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    Ok(match ended {
        Some((first, outbounds, due_at, held)) => Finished::Already {
            numbers: numbers(first.unwrap_or_default(), outbounds),
            due_at: due_at.map(Timestamp),
            held,
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
    split: Option<Split>,
    /// Version of the state that was written, and when the agent is to be woken.
    state: Option<(u32, Option<Timestamp>)>,
    /// Reply waits opened, less those settled.
    replies: i64,
    due_at: Option<i64>,
}

/// A range whose inbounds are queued again.
struct Split {
    /// Its end.
    last: i64,
    queued: i64,
    /// How many of them are internal.
    internals: i64,
}

impl Next {
    fn open() -> Self {
        Self {
            turn_stays_open: true,
            outbounds: 0,
            consumed: None,
            split: None,
            state: None,
            replies: 0,
            due_at: None,
        }
    }
}

/// The turn stays open. It came back, so it did not take the process down.
fn retry(
    connection: &Prepared<'_>,
    item: &Finish,
    not_before: Timestamp,
    failure: &FailureNote,
) -> Result<()> {
    connection.run(
        "UPDATE turns SET state = 'retry', reason = ?2, not_before = ?3,
             mode = 0, failures = failures + ?4,
             provider_failures = CASE WHEN ?4 THEN 0 ELSE provider_failures + 1 END, asked = ?5
         WHERE id = ?1",
        params![
            item.turn.as_bytes(),
            reason(failure),
            not_before.0,
            failure.counts,
            failure.asked
        ],
    )?;
    Ok(())
}

fn split(
    connection: &Prepared<'_>,
    item: &Finish,
    failure: &FailureNote,
    fenced: &Fenced,
    first_audit: Option<i64>,
    now: Timestamp,
) -> Result<Next> {
    failures::of_turn(connection, item.turn, &Failed::of(failure, None), now)?;
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
    let range = (fenced.first, fenced.last);
    let (conversation, turn) = (*item.conversation.as_bytes(), *item.turn.as_bytes());
    silence(connection, conversation, turn, range)?;
    let split = connection.one(
        "SELECT count(*), coalesce(sum(origin = 'internal'), 0) FROM inbounds
         WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'",
        params![item.conversation.as_bytes(), fenced.first, fenced.last],
        |row| {
            Ok(Split {
                last: fenced.last,
                queued: row.get(0)?,
                internals: row.get(1)?,
            })
        },
    )?;
    let due = fenced.pending + split.queued > 0;
    Ok(Next {
        turn_stays_open: false,
        split: Some(split),
        due_at: due.then_some(now.0),
        ..Next::open()
    })
}

/// What a human has answered is not answered part by part, either: ends the inbounds of a
/// turn that is divided, if it was silenced. Answers how many.
pub(super) fn silence(
    connection: &Prepared<'_>,
    conversation: Blob,
    turn: Blob,
    (first, last): (i64, i64),
) -> Result<usize> {
    connection.run(
        "UPDATE inbounds SET state = 'answered_by_human', turn_id = ?4
         WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'
           AND EXISTS (SELECT 1 FROM conversations WHERE id = ?1 AND silenced_turn = ?4)",
        params![conversation, first, last, turn],
    )
}

fn commit(
    connection: &Prepared<'_>,
    item: &Finish,
    commit: &Commit,
    fenced: &Fenced,
    first_audit: Option<i64>,
    (now, planted): (Timestamp, Planted),
) -> Result<Next> {
    let (turn_state, inbound_state, why, failed) = match &commit.verdict {
        // Nothing of it reaches the person; whoever has the conversation answers.
        Verdict::Answered if fenced.held => ("committed", "answered_by_human", None, false),
        Verdict::Answered => ("committed", "answered", None, false),
        Verdict::Silent(why) => ("committed", "silent", Some(why.clone()), false),
        Verdict::Refused(why) => ("committed", "refused", Some(why.clone()), false),
        Verdict::Dead(failure) => ("dead", "dead", Some(reason(failure)), true),
    };
    let turn_state = if commit.parks() { "parked" } else { turn_state };
    if let Verdict::Dead(failure) = &commit.verdict {
        failures::of_turn(connection, item.turn, &Failed::of(failure, None), now)?;
    }
    let outbounds = commit.outbound.len() as i64;
    // Also where there is none: it is the turn's place in the history.
    let first_outbound = fenced.last_number + 1;
    connection.run(
        "UPDATE turns SET state = ?2, reason = ?3, ended_at = ?4, not_before = NULL,
             failures = failures + ?5, provider_failures = 0, first_outbound = ?6,
             outbounds = outbounds + ?7,
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
    // One row by its key is written in one pass, without a journal of the statement.
    let ends = match fenced.first == fenced.last {
        true => {
            "UPDATE inbounds SET state = ?4, reason = ?5, turn_id = ?6
             WHERE conversation = ?1 AND number = ?2 AND number = ?3 AND state = 'queued'"
        }
        false => {
            "UPDATE inbounds SET state = ?4, reason = ?5, turn_id = ?6
             WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'"
        }
    };
    connection.run(
        ends,
        params![
            item.conversation.as_bytes(),
            fenced.first,
            fenced.last,
            inbound_state,
            why,
            item.turn.as_bytes()
        ],
    )?;
    if failed {
        let range = (fenced.first, fenced.last);
        dead_letters::inbounds_gave_up(connection, *item.conversation.as_bytes(), range)?;
    }
    if planted != Planted::OutboxOutsideTransaction {
        let place = Place {
            conversation: item.conversation,
            turn: item.turn,
            number: first_outbound,
            ordinal: fenced.said,
            said: false,
            held: fenced.held,
        };
        outbox::write(connection, &place, &commit.outbound, now)?;
    }
    if let Some(state) = &commit.state {
        kept::write(connection, item.conversation, state)?;
    }
    kept::facts(connection, item, &commit.facts, now)?;
    let settled = waits::settle(connection, item.conversation, &commit.settles, now)?;
    let behind = fenced.last_number + outbounds;
    let mut opened = waits::open(connection, item, &commit.waits, (behind, now))?;
    if fenced.held && opened > 0 {
        // Nobody has heard the question.
        hold::cancel_replies(connection, item.conversation, now)?;
        opened = 0;
    }
    Ok(Next {
        turn_stays_open: false,
        outbounds,
        consumed: Some(fenced.last),
        state: commit
            .state
            .as_ref()
            .map(|state| (state.version, commit.wake_at)),
        replies: opened - settled,
        due_at: due_after(connection, item, fenced, now)?,
        split: None,
    })
}

/// When what is pending is due. The rest of a range that was split is due at
/// once: it has waited for its window before. An internal inbound is due as soon
/// as it is there, and so is what waits before it.
fn due_after(
    connection: &Prepared<'_>,
    item: &Finish,
    fenced: &Fenced,
    now: Timestamp,
) -> Result<Option<i64>> {
    if fenced.pending == 0 {
        return Ok(None);
    }
    if fenced.split_until > fenced.last {
        return Ok(Some(now.0));
    }
    if fenced.internals == 0 {
        return Ok(Some(fenced.closes_at.unwrap_or(now.0)));
    }
    connection.one(
        "SELECT accepted_at FROM inbounds
         WHERE conversation = ?1 AND number > ?2 AND state = 'queued' AND origin = 'internal'
         ORDER BY number LIMIT 1",
        params![item.conversation.as_bytes(), fenced.last],
        one,
    )
}

/// Writes the entries of an end; answers the rowid of the first. They follow each
/// other, because nothing else writes meanwhile.
fn audits(connection: &Prepared<'_>, item: &Finish) -> Result<Option<i64>> {
    let mut first = None;
    for link in &item.audit {
        audit::write(connection, item.conversation, link)?;
        first.get_or_insert(connection.last_insert_rowid());
    }
    Ok(first)
}

fn conversation(connection: &Prepared<'_>, item: &Finish, next: &Next) -> Result<()> {
    let head = item.audit.last().map(|link| link.hash.0);
    connection.run(
        "UPDATE conversations SET holder = NULL,
             open_turn = CASE WHEN ?2 THEN open_turn END,
             last_number = last_number + ?3,
             consumed = max(consumed, coalesce(?4, consumed)),
             split_until = coalesce(?5, split_until), pending = pending + ?6, due_at = ?7,
             audit_number = audit_number + ?8, audit_hash = coalesce(?9, audit_hash),
             internals = internals + ?10, open_replies = open_replies + ?11,
             state_version = coalesce(?12, state_version),
             wake_at = CASE WHEN ?12 IS NULL THEN wake_at ELSE ?13 END
         WHERE id = ?1",
        params![
            item.conversation.as_bytes(),
            next.turn_stays_open,
            next.outbounds,
            next.consumed,
            next.split.as_ref().map(|split| split.last),
            next.split.as_ref().map_or(0, |split| split.queued),
            next.due_at,
            item.audit.len() as i64,
            head,
            next.split.as_ref().map_or(0, |split| split.internals),
            next.replies,
            next.state.map(|(version, _)| version),
            next.state.and_then(|(_, wake_at)| wake_at).map(|at| at.0)
        ],
    )?;
    Ok(())
}

/// A failure as one line of a row.
fn reason(failure: &FailureNote) -> String {
    format!("{}: {}", failure.kind.as_str(), failure.message)
}
