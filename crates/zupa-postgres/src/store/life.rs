//! The two ends of a process's life with the store, its signs of life, the
//! verdicts over what the dead have left, and forgetting.

use serde::Deserialize;
use sqlx::Row;
use uuid::Uuid;
use zupa_core::store::{Life, Recovery, Suspect};
use zupa_core::{
    AuditEntry, AuditHead, ConversationId, DeadLettersKept, Digest, Error, ErrorKind, ProcessId,
    Result, Timestamp, TurnId,
};

use super::{claim, decode, finish};
use crate::open;
use crate::session::Sessions;

/// Why a turn that takes processes down is ended.
const CRASHED: &str = "crashed";

/// A turn that was running at a death too many, and what is to become of it.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    verdict: Kind,
    conversation: Uuid,
    turn: Uuid,
    epoch: u64,
    audit_number: u64,
    audit_hash: Digest,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Its inbounds are tried one by one.
    Split,
    /// It is given up.
    Dead,
}

#[derive(Deserialize)]
struct Found {
    unclean: bool,
    resumed: u64,
    in_doubt: u64,
    verdicts: Vec<Verdict>,
}

pub(super) async fn recover(pool: &Sessions, life: Life) -> Result<Recovery> {
    const RECOVER: &str = "recover the store";
    let recovering = sqlx::query("SELECT zupa.recover($1, $2, $3)::text")
        .bind(life.process.0)
        .bind(life.now.0)
        .bind(life.expires_at.0);
    let said = decode::text(&pool.one(RECOVER, recovering).await?, 0)?;
    let found: Found = serde_json::from_str(&said).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "the store's answer cannot be read").with_source(source)
    })?;
    for verdict in &found.verdicts {
        bury(pool, verdict, life.now).await?;
    }
    let listing = sqlx::query("SELECT conversation, mode FROM zupa.suspects()");
    let rows = pool.all(RECOVER, listing).await?;
    let suspect = |row| {
        Ok(Suspect {
            conversation: ConversationId(decode::uuid(row, 0)?),
            mode: claim::mode_of(u8::try_from(decode::count(row, 1)?).unwrap_or(u8::MAX)),
        })
    };
    Ok(Recovery {
        unclean: found.unclean,
        turns_resumed: found.resumed,
        suspects: rows.iter().map(suspect).collect::<Result<_>>()?,
        deliveries_in_doubt: found.in_doubt,
    })
}

/// Ends a judged turn with its entry in the audit. If somebody else was faster
/// nothing is written, which is as good.
pub(super) async fn bury(pool: &Sessions, verdict: &Verdict, now: Timestamp) -> Result<()> {
    let (word, action) = match verdict.verdict {
        Kind::Split => ("split", "turn.split"),
        Kind::Dead => ("dead", "turn.dead"),
    };
    let entry = AuditEntry {
        at: now,
        actor: "runtime".into(),
        action: action.into(),
        reason: CRASHED.into(),
        turn: Some(TurnId(verdict.turn)),
        config: Digest::default(),
        commitment: None,
    };
    let mut head = AuditHead {
        number: verdict.audit_number,
        hash: verdict.audit_hash,
    };
    let link = head.append(
        &ConversationId(verdict.conversation).to_string(),
        entry,
        None,
    );
    pool.one(
        "end a turn that takes processes down",
        sqlx::query("SELECT zupa.bury($1, $2, $3, $4, $5)")
            .bind(verdict.conversation)
            .bind(verdict.turn)
            .bind(verdict.epoch.cast_signed())
            .bind(word)
            .bind(vec![finish::link(&link)]),
    )
    .await?;
    Ok(())
}

pub(super) async fn heartbeat(pool: &Sessions, life: Life) -> Result<()> {
    let row = pool
        .one(
            "write a sign of life",
            sqlx::query("SELECT zupa.heartbeat($1, $2, $3, $4)")
                .bind(life.process.0)
                .bind(life.now.0)
                .bind(life.expires_at.0)
                .bind(life.stale.cast_signed()),
        )
        .await?;
    open::may_serve(row.try_get(0).map_err(decode::broken)?)
}

pub(super) async fn goodbye(pool: &Sessions, process: ProcessId) -> Result<()> {
    pool.one(
        "end the process's life with the store",
        sqlx::query("SELECT zupa.goodbye($1)").bind(process.0),
    )
    .await?;
    Ok(())
}

pub(super) async fn purge(
    pool: &Sessions,
    keys_before: Timestamp,
    raw_before: Timestamp,
    limit: usize,
) -> Result<u64> {
    let row = pool
        .one(
            "forget what is old",
            sqlx::query("SELECT zupa.purge($1, $2, $3)")
                .bind(keys_before.0)
                .bind(raw_before.0)
                .bind(limit as i64),
        )
        .await?;
    decode::number(&row, 0)
}

pub(super) async fn forget_news(pool: &Sessions, before: Timestamp, limit: usize) -> Result<u64> {
    let row = pool
        .one(
            "forget news that waits for nothing",
            sqlx::query("SELECT zupa.forget_news($1, $2)")
                .bind(before.0)
                .bind(limit as i64),
        )
        .await?;
    decode::number(&row, 0)
}

pub(super) async fn purge_failures(
    pool: &Sessions,
    before: Timestamp,
    limit: usize,
) -> Result<DeadLettersKept> {
    let row = pool
        .one(
            "forget failures that came to nothing",
            sqlx::query("SELECT gone, pending FROM zupa.purge_failures($1, $2)")
                .bind(before.0)
                .bind(limit as i64),
        )
        .await?;
    Ok(DeadLettersKept {
        gone: decode::number(&row, 0)?,
        pending: decode::number(&row, 1)?,
    })
}
