//! Conversations that operators take, hand back, and have ended.

use serde::Deserialize;
use zupa_core::desk::{Holding, NewHold, Releasing};
use zupa_core::{AuditEntry, ConversationId, Hold, HoldKind, Result, Timestamp};

use super::chain::{self, head_of};
use crate::session::Sessions;
use crate::store::item::text;

pub(super) async fn hold(
    sessions: &Sessions,
    id: ConversationId,
    wish: &NewHold,
    entry: &AuditEntry,
    flush: bool,
) -> Result<Holding> {
    let said = chain::write(
        sessions,
        "take a conversation from the agent",
        entry,
        || head_of(id),
        |chained| {
            sqlx::query("SELECT zupa.hold($1, $2, $3, $4, $5, $6, $7, $8)::text")
                .bind(id.0)
                .bind(entry.at.0)
                .bind(flush)
                .bind(wish.kind.as_str())
                .bind(text(&wish.by))
                .bind(wish.human_at.map(|at| at.0))
                .bind(chained.link)
                .bind(chained.before)
        },
    );
    Ok(match said.await? {
        Some(Held::Done) => Holding::Done,
        Some(Held::Already {
            kind,
            by,
            since,
            human_at,
        }) => Holding::Already(Hold {
            kind,
            by,
            since: Timestamp(since),
            human_at: human_at.map(Timestamp),
        }),
        Some(Held::NotFound) | None => Holding::NotFound,
    })
}

/// What `zupa.hold` answers.
#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
enum Held {
    Done,
    Already {
        kind: HoldKind,
        by: String,
        since: i64,
        human_at: Option<i64>,
    },
    NotFound,
}

pub(super) async fn release(
    sessions: &Sessions,
    id: ConversationId,
    answered_until: Option<Timestamp>,
    entry: &AuditEntry,
    flush: bool,
) -> Result<Releasing> {
    let said = chain::write(
        sessions,
        "hand a conversation back",
        entry,
        || head_of(id),
        |chained| {
            sqlx::query("SELECT zupa.release($1, $2, $3, $4, $5, $6)::text")
                .bind(id.0)
                .bind(entry.at.0)
                .bind(flush)
                .bind(answered_until.map(|at| at.0))
                .bind(chained.link)
                .bind(chained.before)
        },
    );
    Ok(match said.await? {
        Some(Released::Done { answered, due_at }) => Releasing::Done {
            answered,
            due_at: due_at.map(Timestamp),
        },
        Some(Released::NotHeld) => Releasing::NotHeld,
        Some(Released::NotFound) | None => Releasing::NotFound,
    })
}

/// What `zupa.release` answers.
#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
enum Released {
    Done { answered: u64, due_at: Option<i64> },
    NotHeld,
    NotFound,
}

pub(super) async fn end_session(
    sessions: &Sessions,
    id: ConversationId,
    entry: &AuditEntry,
    flush: bool,
) -> Result<Option<Timestamp>> {
    let said = chain::write(
        sessions,
        "end a conversation's session",
        entry,
        || head_of(id),
        |chained| {
            sqlx::query("SELECT zupa.end_session($1, $2, $3, $4, $5)::text")
                .bind(id.0)
                .bind(entry.at.0)
                .bind(flush)
                .bind(chained.link)
                .bind(chained.before)
        },
    );
    Ok(match said.await? {
        Some(Asked::Done { due_at }) => Some(Timestamp(due_at)),
        Some(Asked::NotFound) | None => None,
    })
}

/// What `zupa.end_session` answers.
#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
enum Asked {
    Done { due_at: i64 },
    NotFound,
}
