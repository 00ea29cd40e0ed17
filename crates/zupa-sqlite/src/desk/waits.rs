//! Waits, as operators see them.

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use uuid::Uuid;
use zupa_core::desk::WaitView;
use zupa_core::{Result, Wait, WaitId, WaitState};

use crate::error;
use crate::store::decode;
use crate::store::wait_row::WaitRow;

pub(super) async fn waits(
    readers: &SqlitePool,
    state: Option<WaitState>,
    limit: usize,
) -> Result<Vec<Wait>> {
    let query = match state {
        Some(state) => sqlx::query("SELECT * FROM waits WHERE state = $2 ORDER BY rowid LIMIT $1")
            .bind(limit as i64)
            .bind(state.as_str()),
        None => sqlx::query("SELECT * FROM waits ORDER BY rowid LIMIT $1").bind(limit as i64),
    };
    let rows = query.fetch_all(readers).await.map_err(failed)?;
    rows.iter().map(wait_of).collect()
}

pub(super) async fn wait(readers: &SqlitePool, id: WaitId) -> Result<Option<Wait>> {
    let row = sqlx::query("SELECT * FROM waits WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(readers)
        .await
        .map_err(failed)?;
    row.as_ref().map(wait_of).transpose()
}

/// What a turn waited for, in the order of opening.
pub(super) async fn of_turn(snapshot: &mut SqliteConnection, turn: Uuid) -> Result<Vec<WaitView>> {
    let rows = sqlx::query("SELECT * FROM waits WHERE turn_id = $1 ORDER BY rowid")
        .bind(turn.as_bytes().as_slice())
        .fetch_all(snapshot)
        .await
        .map_err(failed)?;
    rows.iter().map(|row| wait_of(row).map(view)).collect()
}

fn wait_of(row: &SqliteRow) -> Result<Wait> {
    WaitRow::read(row).map_err(decode::broken)?.wait()
}

fn view(wait: Wait) -> WaitView {
    WaitView {
        id: wait.opened.id,
        kind: wait.opened.kind,
        state: wait.state,
        expires_at: wait.opened.expires_at,
        decided_by: wait.decision.map(|decision| decision.by),
    }
}

fn failed(source: sqlx::Error) -> zupa_core::Error {
    error::of_reader("read waits", source)
}
