//! Stop 2, `claim`, in SQL.
//!
//! *Arrives*: a wish to take a conversation, with a fresh turn id.
//! *Leaves*: at most one holder per conversation, a raised epoch, and a turn row
//! with its range; a turn that is still open keeps its id and range.
//! *If the process dies here*: the claim is there or not. The next start voids
//! it; the turn stays open and runs again over the same range.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;
use zupa_core::store::{Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Offer, Renew, Renewed};
use zupa_core::{
    Address, Alias, AuditHead, ChannelId, Claimed, ConversationId, Correlation, Digest, Epoch,
    EventId, Number, Result, Step, TenantId, Timestamp, TurnId,
};

use super::row::{Blob, Sql, from_json, one};

/// The conversation's row, as far as a claim looks at it.
struct Seen {
    due_at: Option<i64>,
    held_until: Option<i64>,
    epoch: i64,
    open_turn: Option<Blob>,
    pending: i64,
    consumed: i64,
    split_until: i64,
    address: (String, String, String),
    audit: (i64, [u8; 32]),
}

/// Takes a conversation, or says why not.
pub(super) fn claim(connection: &Connection, wish: &Claim, now: Timestamp) -> Result<ClaimOutcome> {
    let Some(seen) = see(connection, wish)? else {
        return Ok(ClaimOutcome::Nothing);
    };
    if seen.open_turn.is_none() && seen.pending == 0 {
        return Ok(ClaimOutcome::Nothing);
    }
    if let Some(until) = seen.held_until.filter(|until| *until > now.0) {
        return Ok(ClaimOutcome::Held(Timestamp(until)));
    }
    match seen.due_at {
        None => return Ok(ClaimOutcome::Nothing),
        Some(due_at) if due_at > now.0 => return Ok(ClaimOutcome::NotYet(Timestamp(due_at))),
        Some(_) => {}
    }
    match seen.open_turn {
        Some(turn) => rerun(connection, wish, &seen, turn),
        None => start(connection, wish, &seen, now).map(|turn| ClaimOutcome::Taken(Box::new(turn))),
    }
}

/// Takes an offer up: as a claim, but never of a turn that is open, which may
/// have to run in another way.
pub(super) fn take_up(
    connection: &Connection,
    offer: Offer,
    conversation: ConversationId,
    now: Timestamp,
) -> Result<Option<Box<ClaimedTurn>>> {
    let wish = Claim {
        conversation,
        turn: offer.turn,
        process: offer.process,
        expires_at: offer.expires_at,
        mode: ClaimMode::Normal,
    };
    let Some(seen) = see(connection, &wish)? else {
        return Ok(None);
    };
    let due = seen.due_at.is_some_and(|due_at| due_at <= now.0);
    if seen.open_turn.is_some() || seen.pending == 0 || !due {
        return Ok(None);
    }
    start(connection, &wish, &seen, now).map(|turn| Some(Box::new(turn)))
}

fn see(connection: &Connection, wish: &Claim) -> Result<Option<Seen>> {
    connection.maybe(
        "SELECT due_at, CASE WHEN holder IS NOT NULL THEN expires_at END, epoch, open_turn,
                pending, consumed, split_until, tenant, channel, alias, audit_number, audit_hash
         FROM conversations WHERE id = ?1",
        params![wish.conversation.as_bytes()],
        |row| {
            Ok(Seen {
                due_at: row.get(0)?,
                held_until: row.get(1)?,
                epoch: row.get(2)?,
                open_turn: row.get(3)?,
                pending: row.get(4)?,
                consumed: row.get(5)?,
                split_until: row.get(6)?,
                address: (row.get(7)?, row.get(8)?, row.get(9)?),
                audit: (row.get(10)?, row.get(11)?),
            })
        },
    )
}

/// A new turn takes all that is pending, or one inbound of a range that was
/// split.
fn start(
    connection: &Connection,
    wish: &Claim,
    seen: &Seen,
    now: Timestamp,
) -> Result<ClaimedTurn> {
    let one_by_one = seen.split_until > seen.consumed;
    let limit = if one_by_one { 1 } else { -1 };
    let inbounds = inbounds(connection, wish, seen.consumed + 1, i64::MAX, limit)?;
    let correlation = inbounds.correlation;
    let turn = claimed(
        wish,
        seen,
        *wish.turn.as_bytes(),
        inbounds.claimed,
        correlation,
    )?;
    connection.run(
        "INSERT INTO turns (id, conversation, first, last, epoch, process, mode, state, runs,
             claimed_at, request_id, trace_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'running', 1, ?8, ?9, ?10)",
        params![
            turn.turn.as_bytes(),
            turn.conversation.as_bytes(),
            turn.first().0.cast_signed(),
            turn.last().0.cast_signed(),
            seen.epoch + 1,
            wish.process.as_bytes(),
            mode_number(wish.mode),
            now.0,
            turn.correlation.request_id,
            turn.correlation.trace_id
        ],
    )?;
    connection.run(
        "UPDATE conversations SET epoch = epoch + 1, holder = ?2, expires_at = ?3, open_turn = ?4,
             pending = CASE WHEN ?5 THEN pending - 1 ELSE 0 END,
             opened_at = CASE WHEN ?5 THEN opened_at END,
             closes_at = CASE WHEN ?5 THEN closes_at END
         WHERE id = ?1",
        params![
            wish.conversation.as_bytes(),
            wish.process.as_bytes(),
            wish.expires_at.0,
            turn.turn.as_bytes(),
            one_by_one
        ],
    )?;
    with_outbox(connection, turn)
}

/// An open turn, as far as its next run looks at it.
struct Open {
    first: i64,
    last: i64,
    runs: u32,
    failures: u32,
    provider_failures: u32,
    mode: ClaimMode,
}

/// The open turn runs again, over the same range, with what it recorded; unless
/// it must not run as it was wished.
fn rerun(connection: &Connection, wish: &Claim, seen: &Seen, turn: Blob) -> Result<ClaimOutcome> {
    let open = connection.one(
        "SELECT first, last, runs, failures, provider_failures, mode FROM turns WHERE id = ?1",
        params![turn],
        |row| {
            Ok(Open {
                first: row.get(0)?,
                last: row.get(1)?,
                runs: row.get(2)?,
                failures: row.get(3)?,
                provider_failures: row.get(4)?,
                mode: mode_of(row.get(5)?),
            })
        },
    )?;
    if open.mode > wish.mode {
        return Ok(ClaimOutcome::Suspected(open.mode));
    }
    connection.run(
        "UPDATE turns SET epoch = ?2, process = ?3, mode = ?4, state = 'running', runs = runs + 1,
             not_before = NULL WHERE id = ?1",
        params![
            turn,
            seen.epoch + 1,
            wish.process.as_bytes(),
            mode_number(wish.mode)
        ],
    )?;
    connection.run(
        "UPDATE conversations SET epoch = epoch + 1, holder = ?2, expires_at = ?3 WHERE id = ?1",
        params![
            wish.conversation.as_bytes(),
            wish.process.as_bytes(),
            wish.expires_at.0
        ],
    )?;
    let inbounds = inbounds(connection, wish, open.first, open.last, -1)?;
    let mut claimed = claimed(wish, seen, turn, inbounds.claimed, inbounds.correlation)?;
    (claimed.runs, claimed.failures) = (open.runs + 1, open.failures);
    claimed.provider_failures = open.provider_failures;
    claimed.steps = connection.all(
        "SELECT step_key, input, result FROM steps WHERE turn_id = ?1",
        params![turn],
        |row| {
            Ok(Step {
                key: row.get(0)?,
                input: Digest(row.get(1)?),
                result: row.get(2)?,
            })
        },
    )?;
    with_outbox(connection, claimed).map(|turn| ClaimOutcome::Taken(Box::new(turn)))
}

struct Inbounds {
    claimed: Vec<Claimed>,
    correlation: Correlation,
}

fn inbounds(
    connection: &Connection,
    wish: &Claim,
    first: i64,
    last: i64,
    limit: i64,
) -> Result<Inbounds> {
    let rows = connection.all(
        "SELECT event_id, number, accepted_at, content, request_id, trace_id FROM inbounds
         WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'
         ORDER BY number LIMIT ?4",
        params![wish.conversation.as_bytes(), first, last, limit],
        |row: &Row<'_>| {
            let correlation = Correlation {
                request_id: row.get(4)?,
                trace_id: row.get(5)?,
            };
            let event = EventId(Uuid::from_bytes(row.get(0)?));
            let number = Number(row.get::<_, i64>(1)?.cast_unsigned());
            Ok((
                event,
                number,
                Timestamp(row.get(2)?),
                row.get::<_, String>(3)?,
                correlation,
            ))
        },
    )?;
    let mut claimed = Vec::with_capacity(rows.len());
    let mut first_correlation = None;
    for (event, number, accepted_at, content, correlation) in rows {
        first_correlation.get_or_insert(correlation);
        claimed.push(Claimed {
            event,
            number,
            accepted_at,
            content: from_json(&content)?,
        });
    }
    Ok(Inbounds {
        claimed,
        correlation: first_correlation.unwrap_or_default(),
    })
}

fn claimed(
    wish: &Claim,
    seen: &Seen,
    turn: Blob,
    inbounds: Vec<Claimed>,
    correlation: Correlation,
) -> Result<ClaimedTurn> {
    let (tenant, channel, alias) = &seen.address;
    Ok(ClaimedTurn {
        turn: TurnId(Uuid::from_bytes(turn)),
        conversation: wish.conversation,
        address: Address {
            tenant: TenantId::parse(tenant.as_str())?,
            channel: ChannelId::parse(channel.as_str())?,
            alias: Alias::parse(alias.as_str())?,
        },
        epoch: Epoch((seen.epoch + 1).cast_unsigned()),
        runs: 1,
        failures: 0,
        provider_failures: 0,
        inbounds,
        steps: Vec::new(),
        audit: AuditHead {
            number: seen.audit.0.cast_unsigned(),
            hash: Digest(seen.audit.1),
        },
        outbox_busy: false,
        correlation,
    })
}

fn with_outbox(connection: &Connection, mut turn: ClaimedTurn) -> Result<ClaimedTurn> {
    turn.outbox_busy = connection.one(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE conversation = ?1 AND open = 1)",
        params![turn.conversation.as_bytes()],
        one,
    )?;
    Ok(turn)
}

/// Prolongs a claim, if it is still the one.
pub(super) fn renew(connection: &Connection, renew: &Renew) -> Result<Renewed> {
    let renewed = connection.run(
        "UPDATE conversations SET expires_at = ?3
         WHERE id = ?1 AND epoch = ?2 AND open_turn = ?4 AND holder IS NOT NULL",
        params![
            renew.conversation.as_bytes(),
            renew.epoch.0.cast_signed(),
            renew.expires_at.0,
            renew.turn.as_bytes()
        ],
    )?;
    Ok(if renewed == 1 {
        Renewed::Held
    } else {
        Renewed::Lost
    })
}

/// A mode as its column has it.
pub(super) fn mode_of(number: u8) -> ClaimMode {
    match number {
        0 => ClaimMode::Normal,
        1 => ClaimMode::Suspect,
        _ => ClaimMode::Alone,
    }
}

fn mode_number(mode: ClaimMode) -> u8 {
    match mode {
        ClaimMode::Normal => 0,
        ClaimMode::Suspect => 1,
        ClaimMode::Alone => 2,
    }
}
