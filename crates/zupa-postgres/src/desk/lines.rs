//! A conversation's committed lines, as readers of a web chat see them.

use sqlx::Row;
use sqlx::postgres::PgRow;
use zupa_core::desk::{Line, Speaker};
use zupa_core::{Address, Content, DeliveryId, Number, Result, TurnId};

use crate::session::Sessions;
use crate::store::decode;

pub(super) async fn lines(
    readers: &Sessions,
    address: &Address,
    after: Number,
    limit: usize,
) -> Result<Vec<Line>> {
    let rows = readers
        .all(
            "read a conversation's lines",
            sqlx::query(
                "WITH here AS (SELECT conversation AS id FROM zupa.aliases
                       WHERE alias = $1 AND channel = $2 AND tenant = $3)
         SELECT number, platform_id, turn_id, ordinal, content, late FROM (
             (SELECT number, platform_id, NULL::uuid AS turn_id, NULL::integer AS ordinal, content,
                  false AS late
              FROM zupa.inbounds WHERE conversation = (SELECT id FROM here) AND number > $4
                AND origin = 'external'
              ORDER BY number LIMIT $5)
             UNION ALL
             (SELECT number, NULL, turn_id, ordinal, content, late
              FROM zupa.outbox WHERE conversation = (SELECT id FROM here) AND number > $4
                AND reason IS DISTINCT FROM 'held'
              ORDER BY number LIMIT $5)) AS both_sides
         ORDER BY number LIMIT $5",
            )
            .bind(address.alias.as_str())
            .bind(address.channel.as_str())
            .bind(address.tenant.as_str())
            .bind(after.0.cast_signed())
            .bind(limit as i64),
        )
        .await?;
    rows.iter().map(line).collect()
}

fn line(row: &PgRow) -> Result<Line> {
    let content: Content = decode::json(row, 4)?;
    let from = match decode::maybe_uuid(row, 2)? {
        Some(turn) => Speaker::Agent(DeliveryId {
            turn: TurnId(turn),
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
