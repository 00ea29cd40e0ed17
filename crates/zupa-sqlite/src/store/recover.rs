//! The two ends of a process's life with the store, and its signs of life.
//!
//! *Arrives*: whatever the process before left.
//! *Leaves*: no holder, no attempt on the wire, suspects named, and a log that
//! is flushed: recovery is itself a flushed commit to the same log, so what it
//! could read is durable once it returns.
//! *If the process dies here*: the transaction is there or not; the next start
//! does it again, with the deaths counted once.

use rusqlite::params;
use uuid::Uuid;
use zupa_core::store::{Life, Recovery, Suspect};
use zupa_core::{AuditEntry, ConversationId, Digest, ProcessId, Result, Timestamp, TurnId};

use super::failures::{self, Failed};
use super::row::{Blob, Prepared, one};
use super::{audit, claim, dead_letters, finish, set_back};

/// A turn that was running at this many starts is suspected of the deaths.
const SUSPECT_RUNS: u32 = 3;
/// A turn that died alone this often is proven.
const PROOF_DEATHS: u32 = 3;
/// Why such a turn is dead.
const CRASHED: &str = "crashed";
/// The same as its inbounds have it.
const CRASH: Failed<'_> = Failed {
    class: CRASHED,
    message: CRASHED,
    not_before: None,
    counts: true,
};

pub(super) fn recover(connection: &Prepared<'_>, life: Life) -> Result<Recovery> {
    let Life { process, now, .. } = life;
    set_back::notice(connection, now)?;
    let clean: bool = connection.one("SELECT clean FROM installation", [], one)?;
    if clean {
        connection.run(
            "UPDATE turns SET mode = 0 WHERE mode > 0 AND ended_at IS NULL",
            [],
        )?;
    } else {
        judge_the_dead(connection, now)?;
    }
    let turns_resumed = connection.run(
        "UPDATE conversations SET holder = NULL, due_at = min(coalesce(due_at, ?1), ?1)
         WHERE holder IS NOT NULL AND open_turn IS NOT NULL",
        params![now.0],
    )?;
    let in_doubt = connection.run(
        "UPDATE outbox SET state = 'in_doubt', not_before = ?1 WHERE state = 'sending'",
        params![now.0],
    )?;
    let suspects = connection.all(
        "SELECT t.conversation, t.mode FROM conversations c JOIN turns t ON t.id = c.open_turn
         WHERE c.due_at IS NOT NULL AND t.mode > 0 ORDER BY t.claimed_at",
        [],
        |row| {
            Ok(Suspect {
                conversation: ConversationId(Uuid::from_bytes(row.get(0)?)),
                mode: claim::mode_of(row.get(1)?),
            })
        },
    )?;
    connection.run(
        "UPDATE installation SET process = ?1, started_at = ?2, heartbeat_at = ?2,
             expires_at = ?3, stale = ?4, clean = 0",
        params![
            process.as_bytes(),
            now.0,
            life.expires_at.0,
            life.stale.cast_signed()
        ],
    )?;
    Ok(Recovery {
        unclean: !clean,
        turns_resumed: turns_resumed as u64,
        suspects,
        deliveries_in_doubt: in_doubt as u64,
    })
}

/// Looks at the turns that were running at the death: who ran too often becomes
/// a suspect, or is divided if it has several inbounds; a suspect that ran at the
/// death must run alone; who died alone often enough is given up.
fn judge_the_dead(connection: &Prepared<'_>, now: Timestamp) -> Result<()> {
    let running: Vec<(Blob, Blob, u32, u32, u32, i64)> = connection.all(
        "SELECT t.id, t.conversation, t.mode, t.runs, t.deaths_alone,
                (SELECT count(*) FROM inbounds b WHERE b.conversation = c.id
                 AND b.number BETWEEN t.first AND t.last AND b.state = 'queued')
         FROM conversations c JOIN turns t ON t.id = c.open_turn
         WHERE c.holder IS NOT NULL AND t.state = 'running'",
        [],
        |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        },
    )?;
    for (turn, conversation, mode, runs, deaths, inbounds) in running {
        let deaths_alone = deaths + u32::from(mode == 2);
        if mode == 2 && deaths_alone >= PROOF_DEATHS {
            give_up(connection, turn, conversation, now)?;
            continue;
        }
        let mode = match mode {
            0 if runs < SUSPECT_RUNS => continue,
            0 if inbounds > 1 => {
                divide(connection, turn, conversation, inbounds, now)?;
                continue;
            }
            0 => 1,
            _ => 2,
        };
        connection.run(
            "UPDATE turns SET mode = ?2, deaths_alone = ?3 WHERE id = ?1",
            params![turn, mode, deaths_alone],
        )?;
    }
    Ok(())
}

/// Ends a turn of several inbounds, which are then tried one by one, so that
/// only the one that is to blame can be given up.
fn divide(
    connection: &Prepared<'_>,
    turn: Blob,
    conversation: Blob,
    inbounds: i64,
    now: Timestamp,
) -> Result<()> {
    say_why(connection, turn, conversation, "turn.split", now)?;
    failures::of_turn(connection, TurnId(Uuid::from_bytes(turn)), &CRASH, now)?;
    let (first, last) = end(connection, turn, "superseded", now)?;
    let answered = finish::silence(connection, conversation, turn, (first, last))?;
    connection.run(
        "UPDATE conversations SET holder = NULL, open_turn = NULL, split_until = ?2,
             pending = pending + ?3, due_at = CASE WHEN pending + ?3 > 0 THEN ?4 END
         WHERE id = ?1",
        params![conversation, last, inbounds - answered as i64, now.0],
    )?;
    Ok(())
}

/// Ends a turn as dead, its inbounds with it.
fn give_up(
    connection: &Prepared<'_>,
    turn: Blob,
    conversation: Blob,
    now: Timestamp,
) -> Result<()> {
    say_why(connection, turn, conversation, "turn.dead", now)?;
    failures::of_turn(connection, TurnId(Uuid::from_bytes(turn)), &CRASH, now)?;
    let (first, last) = end(connection, turn, "dead", now)?;
    connection.run(
        "UPDATE inbounds SET state = 'dead', reason = ?4, turn_id = ?5
         WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'",
        params![conversation, first, last, CRASHED, turn],
    )?;
    dead_letters::inbounds_gave_up(connection, conversation, (first, last))?;
    connection.run(
        "UPDATE conversations SET holder = NULL, open_turn = NULL, consumed = max(consumed, ?2),
             due_at = CASE WHEN pending > 0 THEN ?3 END WHERE id = ?1",
        params![conversation, last, now.0],
    )?;
    Ok(())
}

fn end(
    connection: &Prepared<'_>,
    turn: Blob,
    state: &'static str,
    now: Timestamp,
) -> Result<(i64, i64)> {
    connection.one(
        "UPDATE turns SET state = ?2, reason = ?3, ended_at = ?4, mode = 0 WHERE id = ?1
         RETURNING first, last",
        params![turn, state, CRASHED, now.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Says in the conversation's chain what became of a turn, and moves the head.
fn say_why(
    connection: &Prepared<'_>,
    turn: Blob,
    conversation: Blob,
    action: &'static str,
    now: Timestamp,
) -> Result<()> {
    let entry = AuditEntry {
        at: now,
        actor: "runtime".into(),
        action: action.into(),
        reason: CRASHED.into(),
        turn: Some(TurnId(Uuid::from_bytes(turn))),
        config: Digest::default(),
        commitment: None,
    };
    let conversation = ConversationId(Uuid::from_bytes(conversation));
    let row = audit::append(connection, conversation, entry)?;
    connection.run(
        "UPDATE turns SET first_audit = ?2, audits = 1 WHERE id = ?1",
        params![turn, row],
    )?;
    Ok(())
}

pub(super) fn heartbeat(connection: &Prepared<'_>, life: Life) -> Result<()> {
    set_back::notice(connection, life.now)?;
    connection.run(
        "UPDATE installation SET heartbeat_at = ?2, expires_at = ?3, stale = ?4
         WHERE process = ?1",
        params![
            life.process.as_bytes(),
            life.now.0,
            life.expires_at.0,
            life.stale.cast_signed()
        ],
    )?;
    Ok(())
}

pub(super) fn close(connection: &Prepared<'_>, process: ProcessId) -> Result<()> {
    connection.run(
        "UPDATE installation SET clean = 1 WHERE process = ?1",
        params![process.as_bytes()],
    )?;
    Ok(())
}
