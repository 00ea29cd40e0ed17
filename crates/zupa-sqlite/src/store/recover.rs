//! The two ends of a process's life with the store, and the purge.
//!
//! *Arrives*: whatever the process before left.
//! *Leaves*: no holder, no attempt on the wire, suspects named, and a log that
//! is flushed: recovery is itself a flushed commit to the same log, so what it
//! could read is durable once it returns.
//! *If the process dies here*: the transaction is there or not; the next start
//! does it again, with the deaths counted once.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use zupa_core::store::{ClaimMode, Recovery, Suspect};
use zupa_core::{
    AuditEntry, AuditHead, ConversationId, Digest, Error, ProcessId, Result, Timestamp, TurnId,
};

use super::decode;
use crate::error::error;

/// A turn that was running at this many starts is suspected of the deaths.
const SUSPECT_RUNS: u32 = 3;
/// A turn that died alone this often is proven.
const PROOF_DEATHS: u32 = 3;

pub(super) async fn recover(
    connection: &mut SqliteConnection,
    process: ProcessId,
    now: Timestamp,
) -> Result<Recovery> {
    sqlx::query("PRAGMA synchronous = FULL")
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    let row = sqlx::query("SELECT clean FROM installation")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    let clean: bool = row.try_get(0).map_err(decode::broken)?;
    let mut recovery = Recovery {
        unclean: !clean,
        ..Recovery::default()
    };
    if !clean {
        judge_the_dead(&mut transaction, now).await?;
    }
    let resumed = sqlx::query(
        "UPDATE conversations SET holder = NULL, due_at = min(coalesce(due_at, $1), $1)
         WHERE holder IS NOT NULL AND open_turn IS NOT NULL",
    )
    .bind(now.0)
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    recovery.turns_resumed = resumed.rows_affected();
    let doubtful = sqlx::query(
        "UPDATE outbox SET state = 'in_doubt', not_before = $1 WHERE state = 'sending'",
    )
    .bind(now.0)
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    recovery.deliveries_in_doubt = doubtful.rows_affected();
    for row in sqlx::query(
        "SELECT t.conversation, t.mode FROM conversations c JOIN turns t ON t.id = c.open_turn
         WHERE c.due_at IS NOT NULL AND t.mode > 0 ORDER BY t.claimed_at",
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed)?
    {
        let alone = decode::count(&row, 1)? >= 2;
        recovery.suspects.push(Suspect {
            conversation: ConversationId(decode::uuid(&row, 0)?),
            mode: if alone {
                ClaimMode::Alone
            } else {
                ClaimMode::Suspect
            },
        });
    }
    sqlx::query("UPDATE installation SET process = $1, started_at = $2, clean = 0")
        .bind(process.as_bytes().as_slice())
        .bind(now.0)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(recovery)
}

/// Looks at the turns that were running at the death: who ran too often becomes
/// a suspect, a suspect that ran at the death must run alone, and who died alone
/// often enough is given up.
async fn judge_the_dead(connection: &mut SqliteConnection, now: Timestamp) -> Result<()> {
    let running = sqlx::query(
        "SELECT t.id, t.conversation, t.mode, t.runs, t.deaths_alone
         FROM conversations c JOIN turns t ON t.id = c.open_turn
         WHERE c.holder IS NOT NULL AND t.state = 'running'",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    for row in running {
        let turn = TurnId(decode::uuid(&row, 0)?);
        let (mode, runs) = (decode::count(&row, 2)?, decode::count(&row, 3)?);
        let deaths_alone = decode::count(&row, 4)? + u32::from(mode == 2);
        if mode == 2 && deaths_alone >= PROOF_DEATHS {
            let conversation = ConversationId(decode::uuid(&row, 1)?);
            give_up(connection, turn, conversation, now).await?;
            continue;
        }
        let mode = match mode {
            0 if runs < SUSPECT_RUNS => continue,
            0 => 1,
            _ => 2,
        };
        sqlx::query("UPDATE turns SET mode = $2, deaths_alone = $3 WHERE id = $1")
            .bind(turn.as_bytes().as_slice())
            .bind(mode)
            .bind(deaths_alone)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// Ends a turn as dead, its inbounds with it, and says so in the audit.
async fn give_up(
    connection: &mut SqliteConnection,
    turn: TurnId,
    conversation: ConversationId,
    now: Timestamp,
) -> Result<()> {
    const REASON: &str = "crashed";
    let row = sqlx::query("SELECT audit_number, audit_hash FROM conversations WHERE id = $1")
        .bind(conversation.as_bytes().as_slice())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let mut head = AuditHead {
        number: decode::number(&row, 0)?,
        hash: decode::digest(&row, 1)?,
    };
    let entry = AuditEntry {
        at: now,
        actor: "runtime".into(),
        action: "turn.dead".into(),
        reason: REASON.into(),
        turn: Some(turn),
        config: Digest::default(),
        commitment: None,
    };
    let link = head.append(&conversation.to_string(), entry, None);
    sqlx::query(
        "UPDATE inbounds SET state = 'dead', reason = $3, turn_id = $1
         WHERE conversation = $2 AND state = 'queued' AND number BETWEEN
               (SELECT first FROM turns WHERE id = $1) AND (SELECT last FROM turns WHERE id = $1);
         INSERT INTO audit (stream, number, at, actor, action, reason, turn_id, config, hash)
         VALUES ($2, $5, $4, 'runtime', 'turn.dead', $3, $1, zeroblob(32), $6);
         UPDATE conversations SET holder = NULL, open_turn = NULL,
             consumed = max(consumed, (SELECT last FROM turns WHERE id = $1)),
             due_at = CASE WHEN pending > 0 THEN $4 END, audit_number = $5, audit_hash = $6
         WHERE id = $2;
         UPDATE turns SET state = 'dead', reason = $3, ended_at = $4, mode = 0 WHERE id = $1;",
    )
    .bind(turn.as_bytes().as_slice())
    .bind(conversation.as_bytes().as_slice())
    .bind(REASON)
    .bind(now.0)
    .bind(link.number.cast_signed())
    .bind(link.hash.0.as_slice())
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn close(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query("PRAGMA synchronous = FULL; UPDATE installation SET clean = 1;")
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn purge(
    connection: &mut SqliteConnection,
    keys_before: Timestamp,
    raw_before: Timestamp,
    limit: usize,
) -> Result<u64> {
    let limit = limit as i64;
    let keys = sqlx::query(
        "DELETE FROM processed_events WHERE (platform_id, scope, channel, tenant) IN
            (SELECT p.platform_id, p.scope, p.channel, p.tenant FROM processed_events p
             JOIN inbounds b ON b.event_id = p.event_id
             WHERE p.accepted_at < $1 AND b.state <> 'queued' LIMIT $2)",
    )
    .bind(keys_before.0)
    .bind(limit)
    .execute(&mut *connection)
    .await
    .map_err(|source| error("purge dedupe keys", source))?;
    let raws = sqlx::query(
        "UPDATE inbounds SET raw = NULL WHERE event_id IN
            (SELECT event_id FROM inbounds
             WHERE raw IS NOT NULL AND accepted_at < $1 AND state <> 'queued' LIMIT $2)",
    )
    .bind(raw_before.0)
    .bind(limit)
    .execute(&mut *connection)
    .await
    .map_err(|source| error("purge raw payloads", source))?;
    let receipts = sqlx::query("DELETE FROM receipts WHERE at < $1")
        .bind(raw_before.0)
        .execute(connection)
        .await
        .map_err(|source| error("purge receipts", source))?;
    Ok(keys.rows_affected() + raws.rows_affected() + receipts.rows_affected())
}

fn failed(source: sqlx::Error) -> Error {
    error("recover the store", source)
}
