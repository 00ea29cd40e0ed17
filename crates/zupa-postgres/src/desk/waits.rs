//! Waits: listed, shown, and decided on.

use serde::Deserialize;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use zupa_core::desk::Decided;
use zupa_core::{
    AuditEntry, AuditHead, ConversationId, Decision, Error, ErrorKind, Outcome, Result, Retry,
    Timestamp, Wait, WaitId, WaitKind, WaitState,
};

use crate::session::Sessions;
use crate::store::decode;
use crate::store::finish;
use crate::store::item::text;
use crate::store::wait;

/// What is attempted when reading.
const READ: &str = "read waits";
/// What is attempted when writing.
const DECIDE: &str = "decide on a wait";
/// How often a decision is chained anew because the conversation's audit went on.
const TRIES: u32 = 20;

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

/// The entry is chained here, to the head as it was read, and taken only if that
/// has not moved: no row is held between two calls.
pub(super) async fn decide(
    sessions: &Sessions,
    id: WaitId,
    decision: &Decision,
    entry: &AuditEntry,
    flush: bool,
) -> Result<Decided> {
    for _ in 0..TRIES {
        let looking =
            sqlx::query("SELECT conv, audit_number, audit_hash FROM zupa.undecided($1)").bind(id.0);
        let rows = sessions.all(DECIDE, looking).await?;
        let Some(row) = rows.first() else {
            return Ok(Decided::NotFound);
        };
        let conversation = ConversationId(decode::uuid(row, 0)?);
        let before = AuditHead {
            number: decode::number(row, 1)?,
            hash: decode::digest(row, 2)?,
        };
        let link = { before }.append(&conversation.to_string(), entry.clone(), None);
        let deciding = sqlx::query("SELECT zupa.decide($1, $2, $3, $4, $5, $6, $7, $8)::text")
            .bind(id.0)
            .bind(entry.at.0)
            .bind(flush)
            .bind(text(&decision.by))
            .bind(decision.approved)
            .bind(text(&decision.note))
            .bind(vec![finish::link(&link)])
            .bind(before.hash.0.to_vec());
        let answer: Answer = decode::json(&sessions.one(DECIDE, deciding).await?, 0)
            .map_err(|error| error.with_outcome(Outcome::Unknown))?;
        match answer {
            Answer::HeadMoved => {}
            Answer::Done {
                conversation,
                due_at,
            } => {
                return Ok(Decided::Done {
                    conversation: ConversationId(conversation),
                    due_at: due_at.map(Timestamp),
                });
            }
            Answer::Already { state } => return Ok(Decided::Already(state)),
            Answer::NotTheirs { kind } => return Ok(Decided::NotTheirs(kind)),
            Answer::NotFound => return Ok(Decided::NotFound),
        }
    }
    Err(Error::new(ErrorKind::Unavailable, DECIDE)
        .with_retry(Retry::Now)
        .with("why", "the conversation's audit went on each time"))
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
    NotTheirs {
        kind: WaitKind,
    },
    NotFound,
    HeadMoved,
}
