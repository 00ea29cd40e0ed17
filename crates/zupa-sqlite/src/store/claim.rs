//! Stop 2, `claim`, in SQL.
//!
//! *Arrives*: a wish to take a conversation, with a fresh turn id.
//! *Leaves*: at most one holder per conversation, a raised epoch, and a turn row
//! with its range; a turn that is still open keeps its id and range.
//! *If the process dies here*: the claim is there or not. The next start voids
//! it; the turn stays open and runs again over the same range.

use rusqlite::params;
use uuid::Uuid;
use zupa_core::store::{Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Offer, Renew, Renewed};
use zupa_core::{ConversationId, Result, Timestamp};

use super::handed::{self, Handed, Range};
use super::row::{Blob, Prepared, one};

/// The conversation's row, as far as a claim looks at it.
pub(super) struct Seen {
    due_at: Option<i64>,
    held_until: Option<i64>,
    pub epoch: i64,
    open_turn: Option<Blob>,
    pending: i64,
    consumed: i64,
    split_until: i64,
    pub address: (String, String, String),
    pub audit: (i64, [u8; 32]),
    pub open_replies: i64,
    pub state_version: Option<u32>,
    /// A human has it.
    on_hold: bool,
}

impl Seen {
    /// True for a state that the claimer cannot load.
    fn is_newer_than(&self, loads: u32) -> bool {
        self.state_version.is_some_and(|version| version > loads)
    }
}

/// Takes a conversation, or says why not.
pub(super) fn claim(
    connection: &Prepared<'_>,
    wish: &Claim,
    now: Timestamp,
) -> Result<ClaimOutcome> {
    let Some(seen) = see(connection, wish)? else {
        return Ok(ClaimOutcome::Nothing);
    };
    if seen.open_turn.is_none() && seen.pending == 0 {
        return Ok(ClaimOutcome::Nothing);
    }
    if seen.on_hold {
        return Ok(ClaimOutcome::Paused);
    }
    if let Some(until) = seen.held_until.filter(|until| *until > now.0) {
        return Ok(ClaimOutcome::Held(Timestamp(until)));
    }
    if seen.is_newer_than(wish.loads) {
        return Ok(ClaimOutcome::Newer);
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
    connection: &Prepared<'_>,
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
        loads: offer.loads,
    };
    let Some(seen) = see(connection, &wish)? else {
        return Ok(None);
    };
    let due = seen.due_at.is_some_and(|due_at| due_at <= now.0);
    let cannot = seen.open_turn.is_some() || seen.on_hold || seen.is_newer_than(offer.loads);
    if cannot || seen.pending == 0 || !due {
        return Ok(None);
    }
    start(connection, &wish, &seen, now).map(|turn| Some(Box::new(turn)))
}

fn see(connection: &Prepared<'_>, wish: &Claim) -> Result<Option<Seen>> {
    connection.maybe(
        "SELECT due_at, CASE WHEN holder IS NOT NULL THEN expires_at END, epoch, open_turn,
                pending, consumed, split_until, tenant, channel, alias, audit_number, audit_hash,
                open_replies, state_version, hold_kind IS NOT NULL
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
                open_replies: row.get(12)?,
                state_version: row.get(13)?,
                on_hold: row.get(14)?,
            })
        },
    )
}

/// A new turn takes one inbound of a range that was split, one alone that is internal or
/// that no door could read, or all that is pending before the next of those.
fn start(
    connection: &Prepared<'_>,
    wish: &Claim,
    seen: &Seen,
    now: Timestamp,
) -> Result<ClaimedTurn> {
    let one_by_one = seen.split_until > seen.consumed;
    let limit = if one_by_one { 1 } else { -1 };
    let pending = (seen.consumed + 1, i64::MAX, limit);
    let mut range = Range::read(connection, wish.conversation, pending, seen.split_until)?;
    range.end_before_one_alone();
    let (taken, internals) = (range.len(), i64::from(range.is_internal()));
    let turn = Handed {
        turn: *wish.turn.as_bytes(),
        range,
    };
    let turn = turn.over(connection, wish, seen)?;
    connection.run(
        "INSERT INTO turns (id, conversation, first, last, epoch, process, mode, state, runs,
             claimed_at, request_id, trace_id, inbounds)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'running', 1, ?8, ?9, ?10, ?11)",
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
            turn.correlation.trace_id,
            taken
        ],
    )?;
    connection.run(
        "UPDATE conversations SET epoch = epoch + 1, holder = ?2, expires_at = ?3, open_turn = ?4,
             pending = pending - ?5, internals = internals - ?6,
             opened_at = CASE WHEN pending > ?5 THEN opened_at END,
             closes_at = CASE WHEN pending > ?5 THEN closes_at END
         WHERE id = ?1",
        params![
            wish.conversation.as_bytes(),
            wish.process.as_bytes(),
            wish.expires_at.0,
            turn.turn.as_bytes(),
            taken,
            internals
        ],
    )?;
    Ok(turn)
}

/// An open turn, as far as its next run looks at it.
struct Open {
    first: i64,
    last: i64,
    runs: u32,
    failures: u32,
    provider_failures: u32,
    mode: ClaimMode,
    said: u32,
}

/// The open turn runs again, over the same range, with what it recorded; unless
/// it must not run as it was wished.
fn rerun(connection: &Prepared<'_>, wish: &Claim, seen: &Seen, turn: Blob) -> Result<ClaimOutcome> {
    let open = connection.one(
        "SELECT first, last, runs, failures, provider_failures, mode, said FROM turns WHERE id = ?1",
        params![turn],
        |row| {
            Ok(Open {
                first: row.get(0)?,
                last: row.get(1)?,
                runs: row.get(2)?,
                failures: row.get(3)?,
                provider_failures: row.get(4)?,
                mode: mode_of(row.get(5)?),
                said: row.get(6)?,
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
    let all = (open.first, open.last, -1);
    let range = Range::read(connection, wish.conversation, all, seen.split_until)?;
    let mut claimed = Handed { turn, range }.over(connection, wish, seen)?;
    (claimed.runs, claimed.failures) = (open.runs + 1, open.failures);
    claimed.provider_failures = open.provider_failures;
    claimed.said = open.said;
    claimed.steps = handed::steps(connection, turn)?;
    Ok(ClaimOutcome::Taken(Box::new(claimed)))
}

/// Makes due what waits for a provider that has not named the time.
pub(super) fn hasten(
    connection: &Prepared<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<ConversationId>> {
    let waiting: Vec<Blob> = connection.all(
        "SELECT c.id FROM conversations c JOIN turns t ON t.id = c.open_turn
         WHERE c.due_at > ?1 AND c.hold_kind IS NULL AND t.state = 'retry'
           AND t.provider_failures > 0 AND NOT t.asked
         ORDER BY c.due_at, c.id LIMIT ?2",
        params![now.0, limit as i64],
        one,
    )?;
    for conversation in &waiting {
        connection.run(
            "UPDATE turns SET not_before = ?2
             WHERE id = (SELECT open_turn FROM conversations WHERE id = ?1)",
            params![conversation, now.0],
        )?;
        connection.run(
            "UPDATE conversations SET due_at = ?2 WHERE id = ?1",
            params![conversation, now.0],
        )?;
    }
    let conversation = |id| ConversationId(Uuid::from_bytes(id));
    Ok(waiting.into_iter().map(conversation).collect())
}

/// Prolongs a claim, if it is still the one.
pub(super) fn renew(connection: &Prepared<'_>, renew: &Renew) -> Result<Renewed> {
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
