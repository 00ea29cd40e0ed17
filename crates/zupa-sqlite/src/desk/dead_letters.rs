//! Dead letters, as operators see them.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use uuid::Uuid;
use zupa_core::desk::FailureView;
use zupa_core::{
    ChannelId, Content, ConversationId, Correlation, DeadAttempt, DeadLetter, DeadLetterFilter,
    DeadLetterId, DeadLetterKind, DeadLetterState, DeadLetterStats, DeadLetterView, DeliveryId,
    Error, ErrorKind, EventId, RawPayload, Result, TenantId, Timestamp, TurnId, packed,
};

use crate::error;
use crate::store::decode;

pub(super) async fn list(
    readers: &SqlitePool,
    filter: &DeadLetterFilter,
    after: Option<DeadLetterId>,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    let mut snapshot = readers.begin().await.map_err(failed)?;
    let behind = match after {
        Some(after) => place(&mut snapshot, after).await?,
        None => 0,
    };
    let rows = sqlx::query(
        "SELECT *, (SELECT c.channel FROM conversations c WHERE c.id = conversation) AS channel
         FROM dead_letters
         WHERE place > $1 AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR content = $4)
           AND ($5 IS NULL OR class = $5) AND ($6 IS NULL OR tag = $6)
           AND ($7 IS NULL OR state = $7) AND ($8 IS NULL OR tenant = $8)
           AND ($9 IS NULL OR last_failed_at < $9) AND ($10 IS NULL OR last_failed_at >= $10)
           AND ($11 IS NULL OR ended_at < $11)
         ORDER BY place LIMIT $2",
    )
    .bind(behind)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(filter.kind.map(DeadLetterKind::as_str))
    .bind(filter.content.as_deref())
    .bind(filter.class.as_deref())
    .bind(filter.tag.as_deref())
    .bind(filter.state.map(DeadLetterState::as_str))
    .bind(filter.tenant.as_ref().map(TenantId::as_str))
    .bind(filter.failed_before.map(|at| at.0))
    .bind(filter.failed_from.map(|at| at.0))
    .bind(filter.ended_before.map(|at| at.0))
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    rows.iter().map(letter).collect()
}

async fn place(snapshot: &mut SqliteConnection, id: DeadLetterId) -> Result<i64> {
    let row = found(snapshot, id).await?;
    let row = row.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such dead letter"))?;
    row.try_get("place").map_err(decode::broken)
}

async fn found(snapshot: &mut SqliteConnection, id: DeadLetterId) -> Result<Option<SqliteRow>> {
    let (source, ordinal) = id.source();
    sqlx::query(
        "SELECT *, (SELECT c.channel FROM conversations c WHERE c.id = conversation) AS channel
         FROM dead_letters WHERE source = $1 AND ordinal = $2 AND kind = $3",
    )
    .bind(source.as_bytes().to_vec())
    .bind(ordinal)
    .bind(id.kind().as_str())
    .fetch_optional(snapshot)
    .await
    .map_err(failed)
}

pub(super) async fn one(readers: &SqlitePool, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
    let mut snapshot = readers.begin().await.map_err(failed)?;
    let Some(row) = found(&mut snapshot, id).await? else {
        return Ok(None);
    };
    let letter = letter(&row)?;
    let (source, ordinal) = id.source();
    let attempts = sqlx::query(
        "SELECT turn_id, run, at, class, message, not_before, counted FROM failures
         WHERE source = $1 AND ordinal = $2 AND kind = $3 ORDER BY rowid",
    )
    .bind(source.as_bytes().to_vec())
    .bind(ordinal)
    .bind(id.kind().as_str())
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let content = match id.kind() {
        DeadLetterKind::Inbound => {
            sqlx::query("SELECT content, raw FROM inbounds WHERE event_id = $1")
                .bind(source.as_bytes().to_vec())
        }
        DeadLetterKind::Delivery => {
            sqlx::query("SELECT content, NULL FROM outbox WHERE conversation = $1 AND number = $2")
                .bind(letter.conversation.as_bytes().to_vec())
                .bind(row.try_get::<i64, _>("number").map_err(decode::broken)?)
        }
    };
    let content = content.fetch_optional(snapshot.as_mut()).await;
    let content = content.map_err(failed)?;
    let raw = match &content {
        Some(row) => decode::maybe_text(row, 1)?,
        None => None,
    };
    let content = content
        .map(|row| decode::json::<Content>(&row, 0))
        .transpose()?;
    let raw = raw.map(packed::unpack_bytes).transpose()?;
    Ok(Some(DeadLetterView {
        letter,
        attempts: attempts.iter().map(attempt).collect::<Result<_>>()?,
        raw: RawPayload::shown(raw, content.as_ref()),
        content,
    }))
}

/// What went wrong with an inbound.
pub(super) async fn failures_of_inbound(
    snapshot: &mut SqliteConnection,
    event: EventId,
) -> Result<Vec<FailureView>> {
    let rows = sqlx::query(
        "SELECT turn_id, run, at, class, message, not_before, counted, NULL FROM failures
         WHERE source = $1 AND ordinal = 0 AND kind = 'inbound' ORDER BY rowid",
    )
    .bind(event.as_bytes().to_vec())
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    rows.iter().map(failure).collect()
}

/// What went wrong with a turn's inbounds, a run over several of them told once, and with
/// what it sent.
pub(super) async fn failures_of_turn(
    snapshot: &mut SqliteConnection,
    turn: Uuid,
) -> Result<Vec<FailureView>> {
    let rows = sqlx::query(
        "SELECT f.turn_id, f.run, f.at, f.class, f.message, f.not_before, f.counted, NULL AS sent,
                min(f.rowid) AS place
         FROM turns t
         JOIN inbounds b ON b.conversation = t.conversation AND b.number BETWEEN t.first AND t.last
         JOIN failures f ON f.source = b.event_id AND f.ordinal = 0 AND f.kind = 'inbound'
         WHERE t.id = $1 GROUP BY f.turn_id, f.run
         UNION ALL
         SELECT f.turn_id, f.run, f.at, f.class, f.message, f.not_before, f.counted, f.ordinal,
                f.rowid
         FROM failures f WHERE f.source = $1 AND f.kind = 'delivery'
         ORDER BY sent, place",
    )
    .bind(turn.as_bytes().to_vec())
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    rows.iter().map(failure).collect()
}

fn failure(row: &SqliteRow) -> Result<FailureView> {
    let attempt = attempt(row)?;
    let sent: Option<u32> = row.try_get(7).map_err(decode::broken)?;
    let turn = attempt.turn;
    Ok(FailureView {
        delivery: sent.map(|ordinal| DeliveryId { turn, ordinal }),
        attempt,
    })
}

pub(super) async fn stats(readers: &SqlitePool) -> Result<DeadLetterStats> {
    let rows = sqlx::query(
        "SELECT state, kind, class, tenant, count(*), min(first_failed_at) FROM dead_letters
         GROUP BY 1, 2, 3, 4",
    )
    .fetch_all(readers)
    .await
    .map_err(failed)?;
    let mut stats = DeadLetterStats::default();
    for row in &rows {
        let is = (
            state(&decode::text(row, 0)?)?,
            kind(&decode::text(row, 1)?)?,
        );
        let (class, tenant) = (decode::text(row, 2)?, decode::text(row, 3)?);
        let oldest = Timestamp(row.try_get(5).map_err(decode::broken)?);
        stats.add(is, (&class, &tenant), decode::number(row, 4)?, oldest);
    }
    Ok(stats)
}

fn letter(row: &SqliteRow) -> Result<DeadLetter> {
    let text = |name| row.try_get::<String, _>(name).map_err(decode::broken);
    let maybe = |name| row.try_get::<Option<String>, _>(name);
    let id = |name| {
        let bytes: Vec<u8> = row.try_get(name).map_err(decode::broken)?;
        decode::uuid_of(&bytes)
    };
    let time = |name| row.try_get::<i64, _>(name).map(Timestamp);
    let ended_at = row.try_get::<Option<i64>, _>("ended_at");
    Ok(DeadLetter {
        id: DeadLetterId::of_source(
            kind(&text("kind")?)?,
            id("source")?,
            row.try_get("ordinal").map_err(decode::broken)?,
        ),
        state: state(&text("state")?)?,
        tenant: TenantId::parse(text("tenant")?)?,
        conversation: ConversationId(id("conversation")?),
        channel: ChannelId::parse(text("channel")?)?,
        turn: TurnId(id("turn_id")?),
        content: text("content")?,
        class: text("class")?,
        message: text("message")?,
        correlation: Correlation {
            request_id: maybe("request_id").map_err(decode::broken)?,
            trace_id: maybe("trace_id").map_err(decode::broken)?,
        },
        first_failed_at: time("first_failed_at").map_err(decode::broken)?,
        last_failed_at: time("last_failed_at").map_err(decode::broken)?,
        attempts: row.try_get("attempts").map_err(decode::broken)?,
        tag: maybe("tag").map_err(decode::broken)?,
        reason: maybe("reason").map_err(decode::broken)?,
        ended_at: ended_at.map_err(decode::broken)?.map(Timestamp),
    })
}

fn attempt(row: &SqliteRow) -> Result<DeadAttempt> {
    Ok(DeadAttempt {
        turn: TurnId(decode::uuid(row, 0)?),
        run: decode::count(row, 1)?,
        at: Timestamp(row.try_get(2).map_err(decode::broken)?),
        class: decode::text(row, 3)?,
        message: decode::text(row, 4)?,
        not_before: row
            .try_get::<Option<i64>, _>(5)
            .map_err(decode::broken)?
            .map(Timestamp),
        counted: row.try_get(6).map_err(decode::broken)?,
    })
}

fn kind(text: &str) -> Result<DeadLetterKind> {
    DeadLetterKind::parse(text).ok_or_else(|| unknown(text))
}

fn state(text: &str) -> Result<DeadLetterState> {
    DeadLetterState::parse(text).ok_or_else(|| unknown(text))
}

fn unknown(word: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "a stored dead letter is not one of ours",
    )
    .with("word", word)
}

fn failed(source: sqlx::Error) -> Error {
    error::of_reader("read dead letters", source)
}
