//! Writes of the desk that append to a conversation's audit, or to the installation's.

use serde::de::DeserializeOwned;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use uuid::Uuid;
use zupa_core::audit::SYSTEM;
use zupa_core::{AuditEntry, AuditHead, ConversationId, Error, ErrorKind, Outcome, Result, Retry};

use crate::session::Sessions;
use crate::store::decode;
use crate::store::finish::{self, AuditItem};

/// How often an entry is chained anew because the conversation's audit went on.
const TRIES: u32 = 20;

/// The rows of the stream [`SYSTEM`] are those of a conversation that never is.
pub(super) const SYSTEM_STREAM: ConversationId = ConversationId(Uuid::nil());

/// A statement with its arguments.
pub(super) type Asking = Query<'static, Postgres, PgArguments>;

/// An entry as it is chained, and the hash that it is chained to.
pub(super) struct Chained {
    pub link: Vec<AuditItem>,
    pub before: Vec<u8>,
}

/// Where a conversation's audit ends.
pub(super) fn head_of(id: ConversationId) -> Asking {
    sqlx::query("SELECT id, audit_number, audit_hash FROM zupa.conversations WHERE id = $1")
        .bind(id.0)
}

/// Writes what `asking` says, with the entry. `looking` finds the conversation and its
/// head; answers none when there is no such conversation.
///
/// The entry is chained here, to the head as it was read, and taken only if that has
/// not moved, which the statement answers by NULL: no row is held between two calls.
pub(super) async fn write<A: DeserializeOwned>(
    sessions: &Sessions,
    attempted: &'static str,
    entry: &AuditEntry,
    looking: impl Fn() -> Asking,
    asking: impl Fn(Chained) -> Asking,
) -> Result<Option<A>> {
    for _ in 0..TRIES {
        let rows = sessions.all(attempted, looking()).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let conversation = ConversationId(decode::uuid(row, 0)?);
        let mut head = AuditHead {
            number: decode::number(row, 1)?,
            hash: decode::digest(row, 2)?,
        };
        let before = head.hash.0.to_vec();
        let link = head.append(&conversation.to_string(), entry.clone(), None);
        let chained = Chained {
            link: vec![finish::link(&link)],
            before,
        };
        let row = sessions.one(attempted, asking(chained)).await?;
        let written =
            decode::maybe_json(&row, 0).map_err(|error| error.with_outcome(Outcome::Unknown))?;
        if written.is_some() {
            return Ok(written);
        }
    }
    Err(Error::new(ErrorKind::Unavailable, attempted)
        .with_retry(Retry::Now)
        .with("why", "the conversation's audit went on each time"))
}

/// Appends to the stream [`SYSTEM`]. Its last row is its head: whoever is slower than
/// another finds the number taken, and chains anew.
pub(super) async fn append_to_system(sessions: &Sessions, entry: &AuditEntry) -> Result<()> {
    const ATTEMPTED: &str = "note an act in the audit";
    for _ in 0..TRIES {
        let last = sqlx::query(
            "SELECT number, hash FROM zupa.audit WHERE stream = $1 ORDER BY number DESC LIMIT 1",
        );
        let rows = sessions.all(ATTEMPTED, last.bind(SYSTEM_STREAM.0)).await?;
        let mut head = match rows.first() {
            Some(row) => AuditHead {
                number: decode::number(row, 0)?,
                hash: decode::digest(row, 1)?,
            },
            None => AuditHead::default(),
        };
        let link = head.append(SYSTEM, entry.clone(), None);
        let writing = sqlx::query(
            "INSERT INTO zupa.audit (stream, number, at, actor, action, reason, config, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING number",
        )
        .bind(SYSTEM_STREAM.0)
        .bind(link.number.cast_signed())
        .bind(link.entry.at.0)
        .bind(link.entry.actor)
        .bind(link.entry.action)
        .bind(link.entry.reason)
        .bind(link.entry.config.0.to_vec())
        .bind(link.hash.0.to_vec());
        if !sessions.all(ATTEMPTED, writing).await?.is_empty() {
            return Ok(());
        }
    }
    Err(Error::new(ErrorKind::Unavailable, ATTEMPTED)
        .with_retry(Retry::Now)
        .with("why", "somebody was faster each time"))
}
