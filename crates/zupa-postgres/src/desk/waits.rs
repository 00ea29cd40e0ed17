//! Waits: listed, shown, and decided on.

use serde::Deserialize;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use zupa_core::desk::Decided;
use zupa_core::{
    AuditEntry, ClaimAct, ClaimActed, ConversationId, Decision, Result, Timestamp, Wait, WaitClaim,
    WaitId, WaitKind, WaitState,
};

use super::chain;
use crate::session::Sessions;
use crate::store::decode;
use crate::store::item::text;
use crate::store::wait;

/// What is attempted when reading.
const READ: &str = "read waits";

pub(super) async fn waits(
    readers: &Sessions,
    state: Option<WaitState>,
    limit: usize,
) -> Result<Vec<Wait>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let listing = match state {
        None => {
            sqlx::query("SELECT zupa.wait(w, 0)::text FROM zupa.waits w ORDER BY w.place LIMIT $1")
                .bind(limit)
        }
        // What operators ask for most, and an index of its own.
        Some(WaitState::Open) => sqlx::query(
            "SELECT zupa.wait(w, 0)::text FROM zupa.waits w WHERE w.settled_at IS NULL
             ORDER BY w.place LIMIT $1",
        )
        .bind(limit),
        Some(state) => sqlx::query(
            "SELECT zupa.wait(w, 0)::text FROM zupa.waits w WHERE w.state = $2
             ORDER BY w.place LIMIT $1",
        )
        .bind(limit)
        .bind(state.as_str()),
    };
    let rows = readers.all(READ, listing).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn wait(readers: &Sessions, id: WaitId) -> Result<Option<Wait>> {
    let looking =
        sqlx::query("SELECT zupa.wait(w, 0)::text FROM zupa.waits w WHERE w.id = $1").bind(id.0);
    let rows = readers.all(READ, looking).await?;
    rows.first().map(read).transpose()
}

fn read(row: &PgRow) -> Result<Wait> {
    wait::read(decode::json(row, 0)?)
}

pub(super) async fn decide(
    sessions: &Sessions,
    id: WaitId,
    decision: &Decision,
    entry: &AuditEntry,
    flush: bool,
) -> Result<Decided> {
    let said = chain::write(
        sessions,
        "decide on a wait",
        entry,
        || sqlx::query("SELECT conv, audit_number, audit_hash FROM zupa.undecided($1)").bind(id.0),
        |chained| {
            sqlx::query("SELECT zupa.decide($1, $2, $3, $4, $5, $6, $7, $8)::text")
                .bind(id.0)
                .bind(entry.at.0)
                .bind(flush)
                .bind(text(&decision.by))
                .bind(decision.approved)
                .bind(text(&decision.note))
                .bind(chained.link)
                .bind(chained.before)
        },
    );
    Ok(match said.await? {
        Some(Answer::Done {
            conversation,
            due_at,
        }) => Decided::Done {
            conversation: ConversationId(conversation),
            due_at: due_at.map(Timestamp),
        },
        Some(Answer::Already { state }) => Decided::Already(state),
        Some(Answer::Claimed { by, since, until }) => Decided::Claimed(of(by, since, until)),
        Some(Answer::NotTheirs { kind }) => Decided::NotTheirs(kind),
        Some(Answer::NotFound) | None => Decided::NotFound,
    })
}

/// Claims a wait for an operator, or gives it back.
pub(super) async fn claim(
    sessions: &Sessions,
    id: WaitId,
    act: &ClaimAct,
    entry: &AuditEntry,
    flush: bool,
) -> Result<ClaimActed> {
    let time = match act {
        ClaimAct::Claim { time, .. } => Some(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)),
        ClaimAct::Release { .. } => None,
    };
    let said = chain::write(
        sessions,
        "claim a wait",
        entry,
        || sqlx::query("SELECT conv, audit_number, audit_hash FROM zupa.undecided($1)").bind(id.0),
        |chained| {
            sqlx::query("SELECT zupa.claim_wait($1, $2, $3, $4, $5, $6, $7)::text")
                .bind(id.0)
                .bind(entry.at.0)
                .bind(flush)
                .bind(text(act.by()))
                .bind(time)
                .bind(chained.link)
                .bind(chained.before)
        },
    );
    Ok(match said.await? {
        Some(ClaimAnswer::Done) => ClaimActed::Done,
        Some(ClaimAnswer::Unchanged) => ClaimActed::Unchanged,
        Some(ClaimAnswer::Claimed { by, since, until }) => {
            ClaimActed::Claimed(of(by, since, until))
        }
        Some(ClaimAnswer::Already { state }) => ClaimActed::Over(state),
        Some(ClaimAnswer::NotTheirs { kind }) => ClaimActed::NotTheirs(kind),
        Some(ClaimAnswer::NotFound) | None => ClaimActed::NotFound,
    })
}

fn of(by: String, since: i64, until: i64) -> WaitClaim {
    WaitClaim {
        by,
        since: Timestamp(since),
        until: Timestamp(until),
    }
}

/// What `zupa.claim_wait` answers.
#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
enum ClaimAnswer {
    Done,
    Unchanged,
    Claimed { by: String, since: i64, until: i64 },
    Already { state: WaitState },
    NotTheirs { kind: WaitKind },
    NotFound,
}

/// What `zupa.decide` answers.
#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
enum Answer {
    Done {
        conversation: Uuid,
        due_at: Option<i64>,
    },
    Already {
        state: WaitState,
    },
    Claimed {
        by: String,
        since: i64,
        until: i64,
    },
    NotTheirs {
        kind: WaitKind,
    },
    NotFound,
}
