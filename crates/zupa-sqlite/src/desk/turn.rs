//! A turn and all that belongs to it.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use uuid::Uuid;
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::desk::{AuditView, DeliveryView, InboundView, StepView, TurnSummary, TurnView};
use zupa_core::{
    ConversationId, DeliveryId, DeliveryState, EffectClass, Epoch, EventId, InboundState, Number,
    ReceiptLevel, Result, Timestamp, TurnId, TurnState,
};

use super::{conversations, dead_letters, waits};
use crate::error;
use crate::store::decode;

pub(super) async fn turn(readers: &SqlitePool, id: &str) -> Result<Option<TurnView>> {
    // A read transaction, so that all parts are of one moment.
    let mut snapshot = readers.begin().await.map_err(failed)?;
    let Some(found) = find(&mut snapshot, id).await? else {
        return Ok(None);
    };
    let view = match found {
        Found::Turn(turn) => Some(of_turn(&mut snapshot, turn).await?),
        Found::Inbounds(places) => of_inbounds(&mut snapshot, &places).await?,
    };
    Ok(view)
}

enum Found {
    Turn(Uuid),
    /// One inbound that no turn has taken, or ever will; or several that have one id.
    /// Conversations and numbers.
    Inbounds(Vec<(Uuid, i64)>),
}

/// Inbounds that an id may mean, newest first, and the turn of each.
macro_rules! named {
    ($which:literal) => {
        concat!(
            "SELECT b.conversation, b.number, coalesce(b.turn_id, t.id)
             FROM inbounds b JOIN conversations c ON c.id = b.conversation
             LEFT JOIN turns t ON t.id = c.open_turn AND b.number BETWEEN t.first AND t.last
             WHERE ",
            $which,
            " ORDER BY b.accepted_at DESC, b.event_id LIMIT 10"
        )
    };
}

async fn find(snapshot: &mut SqliteConnection, id: &str) -> Result<Option<Found>> {
    let uuid = Uuid::parse_str(id).ok();
    if let Some(uuid) = uuid {
        let known = sqlx::query("SELECT 1 FROM turns WHERE id = $1")
            .bind(uuid.as_bytes().as_slice())
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(failed)?;
        if known.is_some() {
            return Ok(Some(Found::Turn(uuid)));
        }
    }
    // First by our id, then by what the ledger knows, and, once that has forgotten it, by
    // the platform's id in the rows, which no index has.
    let named = [
        sqlx::query(named!("b.event_id = $1")).bind(uuid.map(|uuid| uuid.as_bytes().to_vec())),
        sqlx::query(named!(
            "b.event_id IN (SELECT event_id FROM processed_events WHERE platform_id = $1)"
        ))
        .bind(id),
        sqlx::query(named!("b.platform_id = $1 AND b.origin = 'external'")).bind(id),
    ];
    for by in named {
        let rows = by.fetch_all(&mut *snapshot).await.map_err(failed)?;
        if !rows.is_empty() {
            return found(&rows).map(Some);
        }
    }
    Ok(None)
}

fn found(rows: &[SqliteRow]) -> Result<Found> {
    if let [row] = rows
        && let Some(turn) = row
            .try_get::<Option<Vec<u8>>, _>(2)
            .map_err(decode::broken)?
    {
        return Ok(Found::Turn(decode::uuid_of(&turn)?));
    }
    let place = |row| {
        let number = SqliteRow::try_get(row, 1).map_err(decode::broken)?;
        Ok((decode::uuid(row, 0)?, number))
    };
    rows.iter()
        .map(place)
        .collect::<Result<_>>()
        .map(Found::Inbounds)
}

/// Of several that have one id, each is told.
async fn of_inbounds(
    snapshot: &mut SqliteConnection,
    places: &[(Uuid, i64)],
) -> Result<Option<TurnView>> {
    let mut all: Option<TurnView> = None;
    for (conversation, number) in places {
        let one = of_inbound(snapshot, *conversation, *number).await?;
        match &mut all {
            Some(all) => all.inbounds.extend(one.inbounds),
            None => all = Some(one),
        }
    }
    Ok(all)
}

async fn of_inbound(
    snapshot: &mut SqliteConnection,
    conversation: Uuid,
    number: i64,
) -> Result<TurnView> {
    let row = sqlx::query(
        "SELECT b.event_id, b.number, b.state, b.reason, b.accepted_at, b.duplicates, b.request_id,
                b.trace_id, c.hold_kind, c.hold_by, c.held_at, c.human_at
         FROM inbounds b JOIN conversations c ON c.id = b.conversation
         WHERE b.conversation = $1 AND b.number = $2",
    )
    .bind(conversation.as_bytes().as_slice())
    .bind(number)
    .fetch_one(&mut *snapshot)
    .await
    .map_err(failed)?;
    let inbound = inbound(&row)?;
    let failures = dead_letters::failures_of_inbound(snapshot, inbound.event).await?;
    Ok(TurnView {
        turn: None,
        conversation: ConversationId(conversation),
        inbounds: vec![inbound],
        steps: Vec::new(),
        waits: Vec::new(),
        deliveries: Vec::new(),
        failures,
        hold: conversations::hold(&row)?,
        audit: Vec::new(),
    })
}

async fn of_turn(snapshot: &mut SqliteConnection, turn: Uuid) -> Result<TurnView> {
    let id = turn.as_bytes().as_slice();
    let row = sqlx::query(
        "SELECT t.id, t.state, t.first, t.last, t.epoch, t.runs, t.failures, t.claimed_at,
                t.ended_at, t.not_before, t.reason, t.conversation,
                c.hold_kind, c.hold_by, c.held_at, c.human_at
         FROM turns t JOIN conversations c ON c.id = t.conversation WHERE t.id = $1",
    )
    .bind(id)
    .fetch_one(&mut *snapshot)
    .await
    .map_err(failed)?;
    let summary = summary(&row)?;
    let inbounds = sqlx::query(
        "SELECT b.event_id, b.number, CASE WHEN b.state = 'queued' AND c.open_turn = t.id
                THEN 'claimed' ELSE b.state END,
                b.reason, b.accepted_at, b.duplicates, b.request_id, b.trace_id
         FROM turns t JOIN conversations c ON c.id = t.conversation
         JOIN inbounds b ON b.conversation = t.conversation AND b.number BETWEEN t.first AND t.last
         WHERE t.id = $1 AND (b.turn_id = t.id OR b.turn_id IS NULL OR t.state = 'superseded')
         ORDER BY b.number",
    )
    .bind(id)
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let steps = sqlx::query(
        "SELECT step_key, class, result <> '' FROM steps WHERE turn_id = $1
         ORDER BY ordinal, recorded_at",
    )
    .bind(id)
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let waits = waits::of_turn(snapshot, turn).await?;
    let deliveries = sqlx::query(
        "SELECT o.turn_id, o.ordinal, o.number, o.state, o.reason, o.attempts, o.receipt,
                o.settled_at, o.late, o.doubled
         FROM turns t JOIN outbox o ON o.conversation = t.conversation
              AND o.number BETWEEN t.first_outbound AND t.first_outbound + t.outbounds - t.said - 1
         WHERE t.id = $1
         UNION ALL SELECT o.turn_id, o.ordinal, o.number, o.state, o.reason, o.attempts, o.receipt,
                o.settled_at, o.late, o.doubled
         FROM outbox o WHERE o.turn_id = $1 AND o.said = 1
         UNION ALL SELECT o.turn_id, o.ordinal, o.number, o.state, o.reason, o.attempts, o.receipt,
                o.settled_at, o.late, o.doubled
         FROM outbox o WHERE o.turn_id = $1 AND o.late = 1 AND o.said = 0
         ORDER BY 3",
    )
    .bind(id)
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let conversation = ConversationId(decode::uuid(&row, 11)?);
    let failures = dead_letters::failures_of_turn(snapshot, turn).await?;
    let audit = links_of_turn(snapshot, turn).await?;
    Ok(TurnView {
        turn: Some(summary),
        conversation,
        inbounds: inbounds.iter().map(inbound).collect::<Result<_>>()?,
        steps: steps.iter().map(step).collect::<Result<_>>()?,
        waits,
        deliveries: deliveries.iter().map(delivery).collect::<Result<_>>()?,
        failures,
        hold: conversations::hold(&row)?,
        audit: audit.into_iter().map(view).collect(),
    })
}

fn summary(row: &SqliteRow) -> Result<TurnSummary> {
    let state: &str = row.try_get(1).map_err(decode::broken)?;
    Ok(TurnSummary {
        id: TurnId(decode::uuid(row, 0)?),
        state: TurnState::parse(state).ok_or_else(|| unknown_state(state))?,
        first: Number(decode::number(row, 2)?),
        last: Number(decode::number(row, 3)?),
        epoch: Epoch(decode::number(row, 4)?),
        runs: decode::count(row, 5)?,
        failures: decode::count(row, 6)?,
        claimed_at: Timestamp(row.try_get(7).map_err(decode::broken)?),
        ended_at: row
            .try_get::<Option<i64>, _>(8)
            .map_err(decode::broken)?
            .map(Timestamp),
        not_before: row
            .try_get::<Option<i64>, _>(9)
            .map_err(decode::broken)?
            .map(Timestamp),
        reason: decode::maybe_text(row, 10)?,
    })
}

fn step(row: &SqliteRow) -> Result<StepView> {
    let class: &str = row.try_get(1).map_err(decode::broken)?;
    Ok(StepView {
        key: decode::text(row, 0)?,
        class: EffectClass::parse(class).ok_or_else(|| unknown_state(class))?,
        has_result: row.try_get(2).map_err(decode::broken)?,
    })
}

fn inbound(row: &SqliteRow) -> Result<InboundView> {
    let state: &str = row.try_get(2).map_err(decode::broken)?;
    Ok(InboundView {
        event: EventId(decode::uuid(row, 0)?),
        number: Number(decode::number(row, 1)?),
        state: InboundState::parse(state).ok_or_else(|| unknown_state(state))?,
        reason: decode::maybe_text(row, 3)?,
        accepted_at: Timestamp(row.try_get(4).map_err(decode::broken)?),
        duplicates: decode::number(row, 5)?,
        request_id: decode::maybe_text(row, 6)?,
        trace_id: decode::maybe_text(row, 7)?,
    })
}

fn delivery(row: &SqliteRow) -> Result<DeliveryView> {
    let state: &str = row.try_get(3).map_err(decode::broken)?;
    Ok(DeliveryView {
        id: DeliveryId {
            turn: TurnId(decode::uuid(row, 0)?),
            ordinal: decode::count(row, 1)?,
        },
        number: Number(decode::number(row, 2)?),
        state: DeliveryState::parse(state).ok_or_else(|| unknown_state(state))?,
        reason: decode::maybe_text(row, 4)?,
        attempts: decode::count(row, 5)?,
        receipt: ReceiptLevel::from_number(row.try_get(6).map_err(decode::broken)?),
        settled_at: row
            .try_get::<Option<i64>, _>(7)
            .map_err(decode::broken)?
            .map(Timestamp),
        late: row.try_get(8).map_err(decode::broken)?,
        doubled: decode::count(row, 9)?,
    })
}

fn view(link: AuditLink) -> AuditView {
    AuditView {
        number: link.number,
        at: link.entry.at,
        actor: link.entry.actor,
        action: link.entry.action,
        reason: link.entry.reason,
        config: link.entry.config.to_hex(),
        hash: link.hash.to_hex(),
    }
}

pub(super) async fn audit(
    readers: &SqlitePool,
    conversation: ConversationId,
) -> Result<Vec<AuditLink>> {
    let mut snapshot = readers.begin().await.map_err(failed)?;
    links(&mut snapshot, conversation).await
}

async fn links(
    snapshot: &mut SqliteConnection,
    conversation: ConversationId,
) -> Result<Vec<AuditLink>> {
    let rows = sqlx::query(
        "SELECT number, at, actor, action, reason, turn_id, config, commitment, salt, hash
         FROM audit WHERE stream = $1 ORDER BY number",
    )
    .bind(conversation.as_bytes().as_slice())
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    rows.iter().map(link).collect()
}

async fn links_of_turn(snapshot: &mut SqliteConnection, turn: Uuid) -> Result<Vec<AuditLink>> {
    let rows = sqlx::query(
        "SELECT a.number, a.at, a.actor, a.action, a.reason, a.turn_id, a.config, a.commitment,
                a.salt, a.hash
         FROM turns t JOIN audit a ON a.rowid BETWEEN t.first_audit AND t.first_audit + t.audits - 1
         WHERE t.id = $1
         UNION ALL
         SELECT a.number, a.at, a.actor, a.action, a.reason, a.turn_id, a.config, a.commitment,
                a.salt, a.hash
         FROM waits w JOIN audit a ON a.rowid = w.audit_row
         WHERE w.turn_id = $1 AND a.turn_id = $1
         ORDER BY 1",
    )
    .bind(turn.as_bytes().as_slice())
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    rows.iter().map(link).collect()
}

fn link(row: &SqliteRow) -> Result<AuditLink> {
    let turn: Option<Vec<u8>> = row.try_get(5).map_err(decode::broken)?;
    let commitment: Option<Vec<u8>> = row.try_get(7).map_err(decode::broken)?;
    let salt: Option<i64> = row.try_get(8).map_err(decode::broken)?;
    Ok(AuditLink {
        number: decode::number(row, 0)?,
        entry: AuditEntry {
            at: Timestamp(row.try_get(1).map_err(decode::broken)?),
            actor: decode::text(row, 2)?,
            action: decode::text(row, 3)?,
            reason: decode::text(row, 4)?,
            turn: turn
                .as_deref()
                .map(decode::uuid_of)
                .transpose()?
                .map(TurnId),
            config: decode::digest(row, 6)?,
            commitment: commitment.map(|_| decode::digest(row, 7)).transpose()?,
        },
        salt: salt.map(i64::cast_unsigned),
        hash: decode::digest(row, 9)?,
    })
}

fn unknown_state(state: &str) -> zupa_core::Error {
    zupa_core::Error::new(
        zupa_core::ErrorKind::Corrupt,
        "a stored state is not one of ours",
    )
    .with("state", state)
}

fn failed(source: sqlx::Error) -> zupa_core::Error {
    error::of_reader("read a turn", source)
}
