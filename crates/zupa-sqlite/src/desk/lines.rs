//! A conversation's committed lines, as readers of a web chat see them.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use zupa_core::desk::{Line, Speaker};
use zupa_core::{Address, Content, DeliveryId, Number, Result, TurnId};

use crate::error;
use crate::store::decode;

pub(super) async fn lines(
    readers: &SqlitePool,
    address: &Address,
    after: Number,
    limit: usize,
) -> Result<Vec<Line>> {
    let rows = sqlx::query(
        "WITH here AS (SELECT conversation AS id FROM aliases
                       WHERE alias = $1 AND channel = $2 AND tenant = $3)
         SELECT number, platform_id, turn_id, ordinal, content, late FROM (
             SELECT * FROM (SELECT number, platform_id, NULL AS turn_id, NULL AS ordinal, content,
                     0 AS late
                 FROM inbounds WHERE conversation = (SELECT id FROM here) AND number > $4
                 AND origin = 'external' ORDER BY number LIMIT $5)
             UNION ALL
             SELECT * FROM (SELECT number, NULL, turn_id, ordinal, content, late
                 FROM outbox WHERE conversation = (SELECT id FROM here) AND number > $4
                 AND reason IS NOT 'held' ORDER BY number LIMIT $5))
         ORDER BY number LIMIT $5",
    )
    .bind(address.alias.as_str())
    .bind(address.channel.as_str())
    .bind(address.tenant.as_str())
    .bind(after.0.cast_signed())
    .bind(limit as i64)
    .fetch_all(readers)
    .await
    .map_err(|source| error::of_reader("read a conversation's lines", source))?;
    rows.iter().map(line).collect()
}

fn line(row: &SqliteRow) -> Result<Line> {
    let content: Content = decode::json(row, 4)?;
    let turn: Option<Vec<u8>> = row.try_get(2).map_err(decode::broken)?;
    let from = match turn {
        Some(turn) => Speaker::Agent(DeliveryId {
            turn: TurnId(decode::uuid_of(&turn)?),
            ordinal: decode::count(row, 3)?,
        }),
        None => Speaker::Person(decode::text(row, 1)?),
    };
    Ok(Line {
        number: Number(decode::number(row, 0)?),
        from,
        text: content.as_prompt_text(),
        late: row.try_get(5).map_err(decode::broken)?,
    })
}
