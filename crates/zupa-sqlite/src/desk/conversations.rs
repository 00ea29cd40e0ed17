//! Conversations, as operators see them.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use zupa_core::desk::ConversationView;
use zupa_core::packed;
use zupa_core::{
    Address, Alias, ChannelId, ConversationId, Hold, Result, StoredState, TenantId, Timestamp,
    TurnId,
};

use crate::error;
use crate::store::decode;

/// Columns of a view; what an agent keeps lies in a table of its own.
macro_rules! select {
    ($what:literal) => {
        concat!(
            "SELECT c.id, c.tenant, c.channel, c.alias, c.hold_kind, c.hold_by, c.held_at,
                    c.human_at, c.pending, c.open_turn, c.due_at, c.wake_at, c.state_version,
                    iif(c.opted_out = 1, c.opted_at, NULL) AS opted_out, s.state
             FROM conversations c LEFT JOIN states s ON s.conversation = c.id ",
            $what
        )
    };
}

pub(super) async fn one(
    readers: &SqlitePool,
    id: ConversationId,
) -> Result<Option<ConversationView>> {
    let row = sqlx::query(select!("WHERE c.id = $1"))
        .bind(id.as_bytes().as_slice())
        .fetch_optional(readers)
        .await
        .map_err(failed)?;
    row.as_ref().map(view).transpose()
}

pub(super) async fn list(
    readers: &SqlitePool,
    held: bool,
    before: Option<ConversationId>,
    limit: usize,
) -> Result<Vec<ConversationView>> {
    let last = [u8::MAX; 16];
    let before = before.as_ref().map_or(&last, ConversationId::as_bytes);
    let query = if held {
        select!("WHERE c.hold_kind IS NOT NULL AND c.id < $1 ORDER BY c.id DESC LIMIT $2")
    } else {
        select!("WHERE c.id < $1 ORDER BY c.id DESC LIMIT $2")
    };
    let rows = sqlx::query(query)
        .bind(before.as_slice())
        .bind(limit as i64)
        .fetch_all(readers)
        .await
        .map_err(failed)?;
    rows.iter().map(view).collect()
}

fn view(row: &SqliteRow) -> Result<ConversationView> {
    let time = |column: &str| {
        row.try_get::<Option<i64>, _>(column)
            .map(|at| at.map(Timestamp))
            .map_err(decode::broken)
    };
    let open_turn: Option<Vec<u8>> = row.try_get("open_turn").map_err(decode::broken)?;
    let version: Option<u32> = row.try_get("state_version").map_err(decode::broken)?;
    let state: Option<String> = row.try_get("state").map_err(decode::broken)?;
    Ok(ConversationView {
        id: ConversationId(decode::uuid(row, 0)?),
        address: Address {
            tenant: TenantId::parse(decode::text(row, 1)?)?,
            channel: ChannelId::parse(decode::text(row, 2)?)?,
            alias: Alias::parse(decode::text(row, 3)?)?,
        },
        hold: hold(row)?,
        pending: decode::number(row, 8)?,
        open_turn: open_turn
            .map(|turn| decode::uuid_of(&turn).map(TurnId))
            .transpose()?,
        due_at: time("due_at")?,
        wake_at: time("wake_at")?,
        opted_out: time("opted_out")?,
        state: version
            .zip(state.map(packed::unpack).transpose()?)
            .map(|(version, json)| StoredState { version, json }),
    })
}

/// The columns of a hold, of which none are set where nobody has the conversation.
pub(super) fn hold(row: &SqliteRow) -> Result<Option<Hold>> {
    let kind: Option<String> = row.try_get("hold_kind").map_err(decode::broken)?;
    let Some(kind) = kind else { return Ok(None) };
    let time = |column: &str| row.try_get::<Option<i64>, _>(column);
    let since = time("held_at").map_err(decode::broken)?;
    Ok(Some(Hold {
        kind: decode::hold_kind(&kind)?,
        by: row.try_get("hold_by").map_err(decode::broken)?,
        since: Timestamp(since.unwrap_or_default()),
        human_at: time("human_at").map_err(decode::broken)?.map(Timestamp),
    }))
}

fn failed(source: sqlx::Error) -> zupa_core::Error {
    error::of_reader("read conversations", source)
}
