//! Conversations, as operators see them. Times are the database's.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use zupa_core::desk::ConversationView;
use zupa_core::packed;
use zupa_core::{
    Address, Alias, ChannelId, ConversationId, Hold, HoldKind, Result, StoredState, TenantId,
    TurnId,
};

use crate::session::Sessions;
use crate::store::decode;

/// What is attempted here.
const READ: &str = "read conversations";

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT c.id, c.tenant, c.channel, c.alias, c.pending, c.open_turn, c.due_at, c.wake_at,
                    c.hold_kind, c.hold_by, c.held_at, c.human_at, c.state_version, c.state,
                    CASE WHEN c.opted_out THEN c.opted_at END
             FROM zupa.conversations c ",
            $which
        )
    };
}

pub(super) async fn one(
    readers: &Sessions,
    id: ConversationId,
) -> Result<Option<ConversationView>> {
    let looking = sqlx::query(select!("WHERE c.id = $1")).bind(id.0);
    let rows = readers.all(READ, looking).await?;
    rows.first().map(view).transpose()
}

pub(super) async fn list(
    readers: &Sessions,
    held: bool,
    before: Option<ConversationId>,
    limit: usize,
) -> Result<Vec<ConversationView>> {
    let query = if held {
        select!("WHERE c.hold_kind IS NOT NULL AND c.id < $1 ORDER BY c.id DESC LIMIT $2")
    } else {
        select!("WHERE c.id < $1 ORDER BY c.id DESC LIMIT $2")
    };
    let listing = sqlx::query(query)
        .bind(before.map_or(Uuid::max(), |before| before.0))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = readers.all(READ, listing).await?;
    rows.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<ConversationView> {
    let version: Option<i64> = row.try_get(12).map_err(decode::broken)?;
    let version = version.map(|version| u32::try_from(version).unwrap_or(u32::MAX));
    let state = decode::maybe_text(row, 13)?.map(packed::unpack);
    let state = version.zip(state.transpose()?);
    Ok(ConversationView {
        id: ConversationId(decode::uuid(row, 0)?),
        address: Address {
            tenant: TenantId::parse(decode::text(row, 1)?)?,
            channel: ChannelId::parse(decode::text(row, 2)?)?,
            alias: Alias::parse(decode::text(row, 3)?)?,
        },
        hold: hold(row, 8)?,
        pending: decode::count(row, 4)?.into(),
        open_turn: decode::maybe_uuid(row, 5)?.map(TurnId),
        due_at: decode::maybe_time(row, 6)?,
        wake_at: decode::maybe_time(row, 7)?,
        opted_out: decode::maybe_time(row, 14)?,
        state: state.map(|(version, json)| StoredState { version, json }),
    })
}

/// The four columns of a hold, of which none are set where nobody has the conversation.
pub(super) fn hold(row: &PgRow, first: usize) -> Result<Option<Hold>> {
    let Some(kind) = decode::maybe_text(row, first)? else {
        return Ok(None);
    };
    Ok(Some(Hold {
        kind: HoldKind::parse(&kind).ok_or_else(|| decode::unknown(&kind))?,
        by: decode::text(row, first + 1)?,
        since: decode::time(row, first + 2)?,
        human_at: decode::maybe_time(row, first + 3)?,
    }))
}
