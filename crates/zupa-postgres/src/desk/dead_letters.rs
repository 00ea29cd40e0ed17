//! Dead letters: listed, shown, counted, and dealt with.

use serde::Deserialize;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use zupa_core::desk::FailureView;
use zupa_core::{
    AuditEntry, ChannelId, Content, ConversationId, Correlation, DeadAttempt, DeadLetter,
    DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId, DeadLetterKind,
    DeadLetterStanding, DeadLetterState, DeadLetterStats, DeadLetterView, DeliveryId, Error,
    ErrorKind, EventId, RawPayload, Result, Retry, TenantId, Timestamp, TurnId, packed,
};

use super::chain::{self, head_of};
use crate::session::{Session, Sessions};
use crate::store::decode;
use crate::store::item::text;

/// What is attempted when reading.
const READ: &str = "read dead letters";

/// What is attempted when writing.
const ACT: &str = "deal with a dead letter";

/// How often somebody may be faster before the caller is told to come later.
const TRIES: u32 = 20;

pub(super) async fn list(
    readers: &Sessions,
    filter: &DeadLetterFilter,
    after: Option<DeadLetterId>,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    let behind = match after {
        Some(after) => {
            let row = found(readers, after).await?;
            let unknown = || Error::new(ErrorKind::NotFound, "there is no such dead letter");
            place(&row.ok_or_else(unknown)?)?
        }
        None => 0,
    };
    let listing = sqlx::query(
        "SELECT *, (SELECT c.channel FROM zupa.conversations c WHERE c.id = conversation) AS channel
         FROM zupa.dead_letters
         WHERE place > $1 AND ($3::text IS NULL OR kind = $3)
           AND ($4::text IS NULL OR content = $4) AND ($5::text IS NULL OR class = $5)
           AND ($6::text IS NULL OR tag = $6) AND ($7::text IS NULL OR state = $7)
           AND ($8::text IS NULL OR tenant = $8)
           AND ($9::bigint IS NULL OR last_failed_at < $9)
           AND ($10::bigint IS NULL OR last_failed_at >= $10)
           AND ($11::bigint IS NULL OR ended_at < $11)
         ORDER BY place LIMIT $2",
    )
    .bind(behind)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(filter.kind.map(DeadLetterKind::as_str))
    .bind(filter.content.as_deref().map(text))
    .bind(filter.class.as_deref().map(text))
    .bind(filter.tag.as_deref().map(text))
    .bind(filter.state.map(DeadLetterState::as_str))
    .bind(filter.tenant.as_ref().map(|tenant| text(tenant.as_str())))
    .bind(filter.failed_before.map(|at| at.0))
    .bind(filter.failed_from.map(|at| at.0))
    .bind(filter.ended_before.map(|at| at.0));
    let rows = readers.all(READ, listing).await?;
    rows.iter().map(letter).collect()
}

async fn found(readers: &Sessions, id: DeadLetterId) -> Result<Option<PgRow>> {
    let (source, ordinal) = id.source();
    let looking = sqlx::query(
        "SELECT *, (SELECT c.channel FROM zupa.conversations c WHERE c.id = conversation) AS channel
         FROM zupa.dead_letters WHERE source = $1 AND ordinal = $2 AND kind = $3",
    )
    .bind(source)
    .bind(ordinal.cast_signed())
    .bind(id.kind().as_str());
    let rows = readers.all(READ, looking).await?;
    Ok(rows.into_iter().next())
}

pub(super) async fn one(readers: &Sessions, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
    let Some(row) = found(readers, id).await? else {
        return Ok(None);
    };
    let letter = letter(&row)?;
    let (source, ordinal) = id.source();
    let failing = sqlx::query(
        "SELECT turn_id, run, at, class, message, not_before, counted FROM zupa.failures
         WHERE source = $1 AND ordinal = $2 AND kind = $3 ORDER BY place",
    )
    .bind(source)
    .bind(ordinal.cast_signed())
    .bind(id.kind().as_str());
    let attempts = readers.all(READ, failing).await?;
    let saying = match id.kind() {
        DeadLetterKind::Inbound => {
            sqlx::query("SELECT content, raw FROM zupa.inbounds WHERE event_id = $1").bind(source)
        }
        DeadLetterKind::Delivery => sqlx::query(
            "SELECT content, NULL::bytea FROM zupa.outbox
                 WHERE conversation = $1 AND number = $2",
        )
        .bind(letter.conversation.0)
        .bind(row.try_get::<i64, _>("number").map_err(decode::broken)?),
    };
    let content = readers.all(READ, saying).await?;
    let raw = content.first().map(raw).transpose()?.flatten();
    let content = content
        .first()
        .map(|row| decode::json::<Content>(row, 0))
        .transpose()?;
    Ok(Some(DeadLetterView {
        letter,
        attempts: attempts.iter().map(attempt).collect::<Result<_>>()?,
        raw: RawPayload::shown(raw, content.as_ref()),
        content,
    }))
}

/// What went wrong with an inbound.
pub(super) async fn failures_of_inbound(
    snapshot: &mut Session<'_>,
    event: EventId,
) -> Result<Vec<FailureView>> {
    let failing = sqlx::query(
        "SELECT turn_id, run, at, class, message, not_before, counted, NULL::integer
         FROM zupa.failures
         WHERE source = $1 AND ordinal = 0 AND kind = 'inbound' ORDER BY place",
    )
    .bind(event.0);
    let rows = snapshot.all(READ, failing).await?;
    rows.iter().map(failure).collect()
}

/// What went wrong with a turn's inbounds, a run over several of them told once, and with
/// what it sent.
pub(super) async fn failures_of_turn(
    snapshot: &mut Session<'_>,
    turn: Uuid,
) -> Result<Vec<FailureView>> {
    let failing = sqlx::query(
        "SELECT * FROM (
             SELECT DISTINCT ON (f.turn_id, f.run) f.turn_id, f.run, f.at, f.class, f.message,
                 f.not_before, f.counted, NULL::integer AS sent, f.place
             FROM zupa.turns t
             JOIN zupa.inbounds b ON b.conversation = t.conversation
                 AND b.number BETWEEN t.first AND t.last
             JOIN zupa.failures f ON f.source = b.event_id AND f.ordinal = 0
                 AND f.kind = 'inbound'
             WHERE t.id = $1 ORDER BY f.turn_id, f.run, f.place) runs
         UNION ALL
         SELECT f.turn_id, f.run, f.at, f.class, f.message, f.not_before, f.counted, f.ordinal,
             f.place
         FROM zupa.failures f WHERE f.source = $1 AND f.kind = 'delivery'
         ORDER BY sent NULLS FIRST, place",
    )
    .bind(turn);
    let rows = snapshot.all(READ, failing).await?;
    rows.iter().map(failure).collect()
}

fn failure(row: &PgRow) -> Result<FailureView> {
    let attempt = attempt(row)?;
    let sent: Option<i32> = row.try_get(7).map_err(decode::broken)?;
    let turn = attempt.turn;
    let delivery = sent.map(|ordinal| DeliveryId {
        turn,
        ordinal: ordinal.cast_unsigned(),
    });
    Ok(FailureView { delivery, attempt })
}

/// The payload, which is text, packed or not.
fn raw(row: &PgRow) -> Result<Option<Vec<u8>>> {
    let Some(kept) = row
        .try_get::<Option<Vec<u8>>, _>(1)
        .map_err(decode::broken)?
    else {
        return Ok(None);
    };
    let text = String::from_utf8(kept).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "a stored payload is not text").with_source(source)
    })?;
    packed::unpack_bytes(text).map(Some)
}

pub(super) async fn stats(readers: &Sessions) -> Result<DeadLetterStats> {
    let counting = sqlx::query(
        "SELECT state, kind, class, tenant, count(*), min(first_failed_at) FROM zupa.dead_letters
         GROUP BY 1, 2, 3, 4",
    );
    let mut stats = DeadLetterStats::default();
    for row in &readers.all(READ, counting).await? {
        let is = (
            state(&decode::text(row, 0)?)?,
            kind(&decode::text(row, 1)?)?,
        );
        let (class, tenant) = (decode::text(row, 2)?, decode::text(row, 3)?);
        let count = decode::number(row, 4)?;
        stats.add(is, (&class, &tenant), count, decode::time(row, 5)?);
    }
    Ok(stats)
}

/// Decides on what is read, and writes only where that has not changed meanwhile.
pub(super) async fn act(
    sessions: &Sessions,
    id: DeadLetterId,
    act: &DeadLetterAct,
    entry: &AuditEntry,
    flush: bool,
) -> Result<DeadLetterActed> {
    for _ in 0..TRIES {
        let Some((place, conversation, standing)) = stands(sessions, id).await? else {
            return Ok(DeadLetterActed::NotFound);
        };
        if let Some(refused) = act.refused(standing) {
            return Ok(refused);
        }
        let (what, word) = match act {
            DeadLetterAct::Retry { .. } => ("retry", None),
            DeadLetterAct::Edit { text, .. } => {
                let content = serde_json::to_string(&Content::text(text)).map_err(|source| {
                    Error::invalid("a value cannot be spelled as JSON").with_source(source)
                })?;
                ("retry", Some(content))
            }
            DeadLetterAct::Discard { reason } => ("discarded", Some(text(reason))),
            DeadLetterAct::Poison { reason } => ("poison", Some(text(reason))),
            DeadLetterAct::Tag(tag) => ("tag", tag.as_deref().map(text)),
            DeadLetterAct::Forget => ("forget", None),
        };
        let seen = standing.state.as_str();
        let said = chain::write(
            sessions,
            ACT,
            entry,
            || head_of(conversation),
            |chained| {
                sqlx::query("SELECT zupa.act_on_dead_letter($1, $2, $3, $4, $5, $6, $7, $8)::text")
                    .bind(place)
                    .bind(entry.at.0)
                    .bind(flush)
                    .bind(seen)
                    .bind(what)
                    .bind(word.clone())
                    .bind(chained.link)
                    .bind(chained.before)
            },
        );
        match said.await? {
            Some(Answer::Done {
                conversation,
                due_at,
            }) => {
                return Ok(DeadLetterActed::Done {
                    conversation: ConversationId(conversation),
                    due_at: due_at.map(Timestamp),
                });
            }
            Some(Answer::Changed) => {}
            None => return Ok(DeadLetterActed::NotFound),
        }
    }
    Err(Error::new(ErrorKind::Unavailable, ACT)
        .with_retry(Retry::Now)
        .with("why", "somebody was faster each time"))
}

/// What `zupa.act_on_dead_letter` answers.
#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
enum Answer {
    Done {
        conversation: Uuid,
        due_at: Option<i64>,
    },
    Changed,
}

async fn stands(
    sessions: &Sessions,
    id: DeadLetterId,
) -> Result<Option<(i64, ConversationId, DeadLetterStanding)>> {
    let (source, ordinal) = id.source();
    let looking = sqlx::query(
        "SELECT d.place, d.conversation, d.state,
                EXISTS (SELECT 1 FROM zupa.inbounds b
                        WHERE b.event_id = d.source AND b.origin = 'internal'),
                EXISTS (SELECT 1 FROM zupa.waits w WHERE w.id = d.source AND w.node IS NULL),
                CASE d.kind WHEN 'inbound' THEN
                    EXISTS (SELECT 1 FROM zupa.failures f
                            JOIN zupa.steps s ON s.turn_id = f.turn_id
                            WHERE f.source = d.source AND s.class <> 'pure')
                ELSE EXISTS (SELECT 1 FROM zupa.outbox o WHERE o.conversation = d.conversation
                             AND o.number = d.number
                             AND (o.state = 'unknown' OR o.doubled > 0
                                  OR o.receipt NOT IN (0, 3))) END
                OR d.state = 'pending' AND coalesce(d.reason, '') = 'answered_by_human',
                d.content = 'undecodable'
         FROM zupa.dead_letters d WHERE d.source = $1 AND d.ordinal = $2 AND d.kind = $3",
    )
    .bind(source)
    .bind(ordinal.cast_signed())
    .bind(id.kind().as_str());
    let rows = sessions.all(ACT, looking).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let standing = DeadLetterStanding {
        kind: id.kind(),
        state: state(&decode::text(row, 2)?)?,
        is_internal: row.try_get(3).map_err(decode::broken)?,
        is_reminder: row.try_get(4).map_err(decode::broken)?,
        is_unread: row.try_get(6).map_err(decode::broken)?,
        matters: row.try_get(5).map_err(decode::broken)?,
    };
    let place = row.try_get(0).map_err(decode::broken)?;
    Ok(Some((
        place,
        ConversationId(decode::uuid(row, 1)?),
        standing,
    )))
}

fn place(row: &PgRow) -> Result<i64> {
    row.try_get("place").map_err(decode::broken)
}

fn letter(row: &PgRow) -> Result<DeadLetter> {
    let text = |name| row.try_get::<String, _>(name).map_err(decode::broken);
    let maybe = |name| {
        row.try_get::<Option<String>, _>(name)
            .map_err(decode::broken)
    };
    let id = |name| row.try_get::<Uuid, _>(name).map_err(decode::broken);
    let time = |name| {
        let time = row.try_get::<i64, _>(name);
        time.map(Timestamp).map_err(decode::broken)
    };
    let count = |name| {
        let count = row.try_get::<i32, _>(name);
        count.map(i32::cast_unsigned).map_err(decode::broken)
    };
    let ended_at = row.try_get::<Option<i64>, _>("ended_at");
    Ok(DeadLetter {
        id: DeadLetterId::of_source(kind(&text("kind")?)?, id("source")?, count("ordinal")?),
        state: state(&text("state")?)?,
        tenant: TenantId::parse(text("tenant")?)?,
        conversation: ConversationId(id("conversation")?),
        channel: ChannelId::parse(text("channel")?)?,
        turn: TurnId(id("turn_id")?),
        content: text("content")?,
        class: text("class")?,
        message: text("message")?,
        correlation: Correlation {
            request_id: maybe("request_id")?,
            trace_id: maybe("trace_id")?,
        },
        first_failed_at: time("first_failed_at")?,
        last_failed_at: time("last_failed_at")?,
        attempts: count("attempts")?,
        tag: maybe("tag")?,
        reason: maybe("reason")?,
        ended_at: ended_at.map_err(decode::broken)?.map(Timestamp),
    })
}

fn attempt(row: &PgRow) -> Result<DeadAttempt> {
    Ok(DeadAttempt {
        turn: TurnId(decode::uuid(row, 0)?),
        run: decode::count(row, 1)?,
        at: decode::time(row, 2)?,
        class: decode::text(row, 3)?,
        message: decode::text(row, 4)?,
        not_before: decode::maybe_time(row, 5)?,
        counted: row.try_get(6).map_err(decode::broken)?,
    })
}

fn kind(word: &str) -> Result<DeadLetterKind> {
    DeadLetterKind::parse(word).ok_or_else(|| decode::unknown(word))
}

fn state(word: &str) -> Result<DeadLetterState> {
    DeadLetterState::parse(word).ok_or_else(|| decode::unknown(word))
}
