//! Stop 2, `claim`, in SQL.
//!
//! *Arrives*: wishes to take a conversation, each with a fresh turn id.
//! *Leaves*: at most one holder per conversation, a raised epoch, and a turn row
//! with its range; a turn that is still open keeps its id and range.
//! *If the process dies here*: the claim is there or not. The next start voids
//! it; the turn stays open and runs again over the same range.

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use zupa_core::store::{Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Renew};
use zupa_core::{
    Address, Alias, AuditHead, ChannelId, Claimed, ConversationId, Correlation, Epoch, Error,
    ErrorKind, EventId, Number, Result, Step, TenantId, Timestamp, TurnId,
};

use super::decode;

// A new turn takes all that is pending, or one inbound of a range that was split.
pub(super) const TAKE: &str = "
UPDATE conversations SET
    epoch      = epoch + 1,
    holder     = unhex(i.value->>'p'),
    claim_id   = unhex(i.value->>'t'),
    expires_at = i.value->>'x',
    pending    = CASE WHEN open_turn IS NOT NULL THEN pending
                      WHEN split_until > consumed THEN pending - 1 ELSE 0 END,
    opened_at  = CASE WHEN open_turn IS NOT NULL OR split_until > consumed THEN opened_at END,
    closes_at  = CASE WHEN open_turn IS NOT NULL OR split_until > consumed THEN closes_at END,
    open_turn  = coalesce(open_turn, unhex(i.value->>'t'))
FROM json_each($10) i
WHERE conversations.id = unhex(i.value->>'c') AND due_at <= $1
  AND (holder IS NULL OR expires_at <= $1)
  AND (open_turn IS NOT NULL OR pending > 0);";

pub(super) const TURNS: &str = "
INSERT INTO turns (id, conversation, first, last, epoch, process, mode, state, runs, claimed_at,
                   session_id, request_id, trace_id)
SELECT c.open_turn, c.id, f.number,
       CASE WHEN c.split_until > c.consumed THEN f.number
            ELSE (SELECT max(b.number) FROM inbounds b
                  WHERE b.conversation = c.id AND b.number > c.consumed AND b.state = 'queued') END,
       c.epoch, c.holder, i.value->>'m', 'running', 1, $1, c.session_id, f.request_id, f.trace_id
FROM json_each($10) i
JOIN conversations c ON c.id = unhex(i.value->>'c') AND c.claim_id = unhex(i.value->>'t')
JOIN inbounds f ON f.conversation = c.id
     AND f.number = (SELECT min(b.number) FROM inbounds b
                     WHERE b.conversation = c.id AND b.number > c.consumed AND b.state = 'queued')
WHERE true
ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, process = excluded.process,
    mode = excluded.mode, state = 'running', runs = runs + 1, not_before = NULL;";

pub(super) const ANSWERS: &str = "
SELECT 'claim', i.key, c.claim_id IS unhex(i.value->>'t'), c.id, c.due_at,
       CASE WHEN c.expires_at > $1 AND c.holder IS NOT NULL THEN c.expires_at END,
       t.id, c.epoch, t.runs, t.failures, t.provider_failures, c.tenant, c.channel, c.alias,
       c.audit_number, c.audit_hash, t.request_id, t.trace_id,
       EXISTS (SELECT 1 FROM outbox o WHERE o.conversation = c.id
               AND o.state IN ('queued', 'sending', 'retry', 'in_doubt'))
FROM json_each($10) i
LEFT JOIN conversations c ON c.id = unhex(i.value->>'c')
LEFT JOIN turns t ON t.id = c.open_turn;";

pub(super) const INBOUNDS: &str = "
SELECT 'inbound', i.key, b.event_id, b.number, b.accepted_at, b.content
FROM json_each($10) i
JOIN conversations c ON c.id = unhex(i.value->>'c') AND c.claim_id = unhex(i.value->>'t')
JOIN turns t ON t.id = c.open_turn
JOIN inbounds b ON b.conversation = c.id AND b.number BETWEEN t.first AND t.last
               AND b.state = 'queued'
ORDER BY i.key, b.number;";

pub(super) const STEPS: &str = "
SELECT 'step', i.key, s.step_key, s.input, s.result
FROM json_each($10) i
JOIN conversations c ON c.id = unhex(i.value->>'c') AND c.claim_id = unhex(i.value->>'t')
JOIN turns t ON t.id = c.open_turn AND t.runs > 1
JOIN steps s ON s.turn_id = t.id;";

pub(super) const RENEW: &str = "
UPDATE conversations SET expires_at = i.value->>'x'
FROM json_each($11) i
WHERE conversations.id = unhex(i.value->>'c') AND epoch = i.value->>'ep' AND holder IS NOT NULL;";

#[derive(Serialize)]
pub(super) struct Item {
    c: String,
    t: String,
    p: String,
    x: i64,
    m: u8,
}

pub(super) fn item(claim: &Claim) -> Item {
    Item {
        c: hex::encode(claim.conversation.as_bytes()),
        t: hex::encode(claim.turn.as_bytes()),
        p: hex::encode(claim.process.as_bytes()),
        x: claim.expires_at.0,
        m: mode_number(claim.mode),
    }
}

#[derive(Serialize)]
pub(super) struct RenewItem {
    c: String,
    ep: u64,
    x: i64,
}

pub(super) fn renew_item(renew: &Renew) -> RenewItem {
    RenewItem {
        c: hex::encode(renew.conversation.as_bytes()),
        ep: renew.epoch.0,
        x: renew.expires_at.0,
    }
}

pub(super) fn mode_number(mode: ClaimMode) -> u8 {
    match mode {
        ClaimMode::Normal => 0,
        ClaimMode::Suspect => 1,
        ClaimMode::Alone => 2,
    }
}

/// Reads one row of [`ANSWERS`].
pub(super) fn answer(row: &SqliteRow) -> Result<(usize, ClaimOutcome)> {
    let place = decode::place(row, 1)?;
    let known: Option<&[u8]> = row.try_get(3).map_err(decode::broken)?;
    if known.is_none() {
        return Ok((place, ClaimOutcome::Nothing));
    }
    let taken: bool = row.try_get(2).map_err(decode::broken)?;
    if !taken {
        let due_at: Option<i64> = row.try_get(4).map_err(decode::broken)?;
        let held_until: Option<i64> = row.try_get(5).map_err(decode::broken)?;
        return Ok((
            place,
            match (due_at, held_until) {
                (None, _) => ClaimOutcome::Nothing,
                (_, Some(until)) => ClaimOutcome::Held(Timestamp(until)),
                (Some(due_at), None) => ClaimOutcome::NotYet(Timestamp(due_at)),
            },
        ));
    }
    let turn = ClaimedTurn {
        turn: TurnId(decode::uuid(row, 6)?),
        conversation: ConversationId(decode::uuid(row, 3)?),
        address: Address {
            tenant: TenantId::parse(decode::text(row, 11)?)?,
            channel: ChannelId::parse(decode::text(row, 12)?)?,
            alias: Alias::parse(decode::text(row, 13)?)?,
        },
        epoch: Epoch(decode::number(row, 7)?),
        runs: decode::count(row, 8)?,
        failures: decode::count(row, 9)?,
        provider_failures: decode::count(row, 10)?,
        inbounds: Vec::new(),
        steps: Vec::new(),
        audit: AuditHead {
            number: decode::number(row, 14)?,
            hash: decode::digest(row, 15)?,
        },
        outbox_busy: row.try_get(18).map_err(decode::broken)?,
        correlation: Correlation {
            request_id: decode::maybe_text(row, 16)?,
            trace_id: decode::maybe_text(row, 17)?,
        },
    };
    Ok((place, ClaimOutcome::Taken(Box::new(turn))))
}

/// Reads one row of [`INBOUNDS`].
pub(super) fn inbound(row: &SqliteRow) -> Result<(usize, Claimed)> {
    let claimed = Claimed {
        event: EventId(decode::uuid(row, 2)?),
        number: Number(decode::number(row, 3)?),
        accepted_at: Timestamp(row.try_get(4).map_err(decode::broken)?),
        content: decode::json(row, 5)?,
    };
    Ok((decode::place(row, 1)?, claimed))
}

/// Reads one row of [`STEPS`].
pub(super) fn step(row: &SqliteRow) -> Result<(usize, Step)> {
    let step = Step {
        key: decode::text(row, 2)?,
        input: decode::digest(row, 3)?,
        result: decode::text(row, 4)?,
    };
    Ok((decode::place(row, 1)?, step))
}

/// The turn at `place`, if the wish was granted.
pub(super) fn taken(
    answers: &mut [Option<Result<ClaimOutcome>>],
    place: usize,
) -> Result<&mut ClaimedTurn> {
    match answers.get_mut(place) {
        Some(Some(Ok(ClaimOutcome::Taken(turn)))) => Ok(turn),
        _ => Err(Error::new(
            ErrorKind::Internal,
            "a claim answered rows but was not taken",
        )),
    }
}
