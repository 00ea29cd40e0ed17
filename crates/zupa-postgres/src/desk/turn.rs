//! A turn and all that belongs to it.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::desk::{
    AuditView, DeliveryView, InboundView, StepView, TurnSummary, TurnView, WaitView,
};
use zupa_core::{
    ConversationId, DeliveryId, DeliveryState, EffectClass, Epoch, EventId, InboundState, Number,
    ReceiptLevel, Result, TurnId, TurnState, WaitId, WaitKind, WaitState,
};

use super::{conversations, dead_letters};
use crate::session::{Session, Sessions};
use crate::store::decode;

/// What is attempted here.
const READ: &str = "read a turn";

pub(super) async fn turn(readers: &Sessions, id: &str) -> Result<Option<TurnView>> {
    let mut snapshot = readers.take(READ).await?;
    snapshot.begin(READ).await?;
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
             FROM zupa.inbounds b JOIN zupa.conversations c ON c.id = b.conversation
             LEFT JOIN zupa.turns t ON t.id = c.open_turn AND b.number BETWEEN t.first AND t.last
             WHERE ",
            $which,
            " ORDER BY b.accepted_at DESC, b.event_id LIMIT 10"
        )
    };
}

async fn find(snapshot: &mut Session<'_>, id: &str) -> Result<Option<Found>> {
    let uuid = Uuid::parse_str(id).ok();
    if let Some(uuid) = uuid {
        let known = snapshot
            .maybe(
                READ,
                sqlx::query("SELECT 1 FROM zupa.turns WHERE id = $1").bind(uuid),
            )
            .await?;
        if known.is_some() {
            return Ok(Some(Found::Turn(uuid)));
        }
    }
    // First by our id, then by what the ledger knows, and, once that has forgotten it, by
    // the platform's id in the rows, which no index has.
    let named = [
        sqlx::query(named!("b.event_id = $1")).bind(uuid),
        sqlx::query(named!(
            "b.event_id IN (SELECT event_id FROM zupa.processed_events WHERE platform_id = $1)"
        ))
        .bind(id),
        sqlx::query(named!("b.platform_id = $1 AND b.origin = 'external'")).bind(id),
    ];
    for by in named {
        let rows = snapshot.all(READ, by).await?;
        if !rows.is_empty() {
            return found(&rows).map(Some);
        }
    }
    Ok(None)
}

fn found(rows: &[PgRow]) -> Result<Found> {
    if let [row] = rows
        && let Some(turn) = decode::maybe_uuid(row, 2)?
    {
        return Ok(Found::Turn(turn));
    }
    let place = |row| {
        let number = PgRow::try_get(row, 1).map_err(decode::broken)?;
        Ok((decode::uuid(row, 0)?, number))
    };
    rows.iter()
        .map(place)
        .collect::<Result<_>>()
        .map(Found::Inbounds)
}

/// Of several that have one id, each is told.
async fn of_inbounds(
    snapshot: &mut Session<'_>,
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
    snapshot: &mut Session<'_>,
    conversation: Uuid,
    number: i64,
) -> Result<TurnView> {
    let row = snapshot.one(READ, sqlx::query(
        "SELECT b.event_id, b.number, b.state, b.reason, b.accepted_at, b.duplicates, b.request_id,
                b.trace_id, c.hold_kind, c.hold_by, c.held_at, c.human_at
         FROM zupa.inbounds b JOIN zupa.conversations c ON c.id = b.conversation
         WHERE b.conversation = $1 AND b.number = $2",
    )
    .bind(conversation)
    .bind(number)).await?;
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
        hold: conversations::hold(&row, 8)?,
        audit: Vec::new(),
    })
}

async fn of_turn(snapshot: &mut Session<'_>, turn: Uuid) -> Result<TurnView> {
    let row = snapshot
        .one(
            READ,
            sqlx::query(
                "SELECT t.id, t.state, t.first, t.last, t.epoch, t.runs, t.failures, t.claimed_at,
                t.ended_at, t.not_before, t.reason, t.conversation,
                c.hold_kind, c.hold_by, c.held_at, c.human_at
         FROM zupa.turns t JOIN zupa.conversations c ON c.id = t.conversation WHERE t.id = $1",
            )
            .bind(turn),
        )
        .await?;
    let summary = summary(&row)?;
    let inbounds = snapshot.all(READ, sqlx::query(
        "SELECT b.event_id, b.number, CASE WHEN b.state = 'queued' AND c.open_turn = t.id
                THEN 'claimed' ELSE b.state END,
                b.reason, b.accepted_at, b.duplicates, b.request_id, b.trace_id
         FROM zupa.turns t JOIN zupa.conversations c ON c.id = t.conversation
         JOIN zupa.inbounds b ON b.conversation = t.conversation AND b.number BETWEEN t.first AND t.last
         WHERE t.id = $1 AND (b.turn_id = t.id OR b.turn_id IS NULL OR t.state = 'superseded')
         ORDER BY b.number",
    )
    .bind(turn)).await?;
    let steps = snapshot
        .all(
            READ,
            sqlx::query(
                "SELECT step_key, class, result IS NOT NULL FROM zupa.steps
                 WHERE turn_id = $1 ORDER BY ordinal, recorded_at",
            )
            .bind(turn),
        )
        .await?;
    let waits = snapshot
        .all(
            READ,
            sqlx::query(
                "SELECT id, kind, state, expires_at, decided_by FROM zupa.waits
                 WHERE turn_id = $1 ORDER BY place",
            )
            .bind(turn),
        )
        .await?;
    let deliveries = snapshot
        .all(
            READ,
            sqlx::query(
                "SELECT o.turn_id, o.ordinal, o.number, o.state, o.reason, o.attempts, o.receipt,
                o.settled_at, o.late, o.doubled
         FROM zupa.turns t CROSS JOIN LATERAL (
             (SELECT s.* FROM zupa.outbox s
              WHERE s.conversation = t.conversation AND s.number >= t.first_said
                AND s.turn_id = t.id AND s.ordinal < t.said AND NOT s.late
              ORDER BY s.number LIMIT t.said)
             UNION ALL
             SELECT a.* FROM zupa.outbox a WHERE a.conversation = t.conversation
               AND a.number BETWEEN t.first_outbound AND t.first_outbound + t.outbounds - 1
             UNION ALL
             SELECT l.* FROM zupa.outbox l WHERE l.turn_id = t.id AND l.late) o
         WHERE t.id = $1 ORDER BY o.number",
            )
            .bind(turn),
        )
        .await?;
    let conversation = ConversationId(decode::uuid(&row, 11)?);
    let failures = dead_letters::failures_of_turn(snapshot, turn).await?;
    let audit = links_of_turn(snapshot, turn).await?;
    Ok(TurnView {
        turn: Some(summary),
        conversation,
        inbounds: inbounds.iter().map(inbound).collect::<Result<_>>()?,
        steps: steps.iter().map(step).collect::<Result<_>>()?,
        waits: waits.iter().map(wait).collect::<Result<_>>()?,
        deliveries: deliveries.iter().map(delivery).collect::<Result<_>>()?,
        failures,
        hold: conversations::hold(&row, 12)?,
        audit: audit.into_iter().map(view).collect(),
    })
}

fn summary(row: &PgRow) -> Result<TurnSummary> {
    let state = decode::text(row, 1)?;
    Ok(TurnSummary {
        id: TurnId(decode::uuid(row, 0)?),
        state: TurnState::parse(&state).ok_or_else(|| decode::unknown(&state))?,
        first: Number(decode::number(row, 2)?),
        last: Number(decode::number(row, 3)?),
        epoch: Epoch(decode::number(row, 4)?),
        runs: decode::count(row, 5)?,
        failures: decode::count(row, 6)?,
        claimed_at: decode::time(row, 7)?,
        ended_at: decode::maybe_time(row, 8)?,
        not_before: decode::maybe_time(row, 9)?,
        reason: decode::maybe_text(row, 10)?,
    })
}

fn inbound(row: &PgRow) -> Result<InboundView> {
    let state = decode::text(row, 2)?;
    Ok(InboundView {
        event: EventId(decode::uuid(row, 0)?),
        number: Number(decode::number(row, 1)?),
        state: InboundState::parse(&state).ok_or_else(|| decode::unknown(&state))?,
        reason: decode::maybe_text(row, 3)?,
        accepted_at: decode::time(row, 4)?,
        duplicates: decode::number(row, 5)?,
        request_id: decode::maybe_text(row, 6)?,
        trace_id: decode::maybe_text(row, 7)?,
    })
}

fn step(row: &PgRow) -> Result<StepView> {
    let class = decode::text(row, 1)?;
    Ok(StepView {
        key: decode::text(row, 0)?,
        class: EffectClass::parse(&class).ok_or_else(|| decode::unknown(&class))?,
        has_result: row.try_get(2).map_err(decode::broken)?,
    })
}

fn wait(row: &PgRow) -> Result<WaitView> {
    let (kind, state) = (decode::text(row, 1)?, decode::text(row, 2)?);
    Ok(WaitView {
        id: WaitId(decode::uuid(row, 0)?),
        kind: WaitKind::parse(&kind).ok_or_else(|| decode::unknown(&kind))?,
        state: WaitState::parse(&state).ok_or_else(|| decode::unknown(&state))?,
        expires_at: decode::maybe_time(row, 3)?,
        decided_by: decode::maybe_text(row, 4)?,
    })
}

fn delivery(row: &PgRow) -> Result<DeliveryView> {
    let state = decode::text(row, 3)?;
    Ok(DeliveryView {
        id: DeliveryId {
            turn: TurnId(decode::uuid(row, 0)?),
            ordinal: decode::count(row, 1)?,
        },
        number: Number(decode::number(row, 2)?),
        state: DeliveryState::parse(&state).ok_or_else(|| decode::unknown(&state))?,
        reason: decode::maybe_text(row, 4)?,
        attempts: decode::count(row, 5)?,
        receipt: ReceiptLevel::from_number(i64::from(decode::count(row, 6)?)),
        settled_at: decode::maybe_time(row, 7)?,
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
    readers: &Sessions,
    conversation: ConversationId,
) -> Result<Vec<AuditLink>> {
    let mut snapshot = readers.take(READ).await?;
    snapshot.begin(READ).await?;
    links(&mut snapshot, conversation).await
}

async fn links(snapshot: &mut Session<'_>, conversation: ConversationId) -> Result<Vec<AuditLink>> {
    let rows = snapshot
        .all(
            READ,
            sqlx::query(
                "SELECT number, at, actor, action, reason, turn_id, config, commitment, salt, hash
         FROM zupa.audit WHERE stream = $1 ORDER BY number",
            )
            .bind(conversation.0),
        )
        .await?;
    rows.iter().map(link).collect()
}

async fn links_of_turn(snapshot: &mut Session<'_>, turn: Uuid) -> Result<Vec<AuditLink>> {
    let rows = snapshot.all(READ, sqlx::query(
        "SELECT a.number, a.at, a.actor, a.action, a.reason, a.turn_id, a.config, a.commitment,
                a.salt, a.hash
         FROM zupa.turns t CROSS JOIN LATERAL (
             SELECT e.* FROM zupa.audit e WHERE e.stream = t.conversation
               AND e.number BETWEEN t.first_audit AND t.first_audit + t.audits - 1
             UNION ALL
             -- What was decided on its waits.
             SELECT e.* FROM zupa.waits w JOIN zupa.audit e ON e.stream = w.conversation
                  AND e.number = w.audit_number AND e.turn_id = t.id
             WHERE w.turn_id = t.id) a
         WHERE t.id = $1 ORDER BY a.number",
    )
    .bind(turn)).await?;
    rows.iter().map(link).collect()
}

fn link(row: &PgRow) -> Result<AuditLink> {
    let commitment: Option<&[u8]> = row.try_get(7).map_err(decode::broken)?;
    let salt: Option<i64> = row.try_get(8).map_err(decode::broken)?;
    Ok(AuditLink {
        number: decode::number(row, 0)?,
        entry: AuditEntry {
            at: decode::time(row, 1)?,
            actor: decode::text(row, 2)?,
            action: decode::text(row, 3)?,
            reason: decode::text(row, 4)?,
            turn: decode::maybe_uuid(row, 5)?.map(TurnId),
            config: decode::digest(row, 6)?,
            commitment: commitment.map(|_| decode::digest(row, 7)).transpose()?,
        },
        salt: salt.map(i64::cast_unsigned),
        hash: decode::digest(row, 9)?,
    })
}
