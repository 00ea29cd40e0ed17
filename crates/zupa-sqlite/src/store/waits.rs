//! Waits, in SQL: opened by commits, settled by whoever comes first.
//!
//! *Arrives*: waits of a commit, decisions, the time.
//! *Leaves*: a settled wait, and once nothing of its parked turn is open an
//! internal inbound at the end of the conversation.
//! *If the process dies here*: both are there or neither.

use rusqlite::params;
use zupa_core::desk::Decided;
use zupa_core::packed;
use zupa_core::store::{Due, Finish};
use zupa_core::{
    AuditEntry, ClaimAct, ClaimActed, Content, ConversationId, Decision, EventId, NewWait, Result,
    TenantId, Timestamp, Wait, WaitId, WaitKind, WaitState, Wake,
};

use super::row::{Blob, Prepared, json, one};
use super::wait_row::WaitRow;
use super::{audit, hold, internal};

/// Opens the waits of a commit behind this number; answers how many of them wait
/// for the person.
pub(super) fn open(
    connection: &Prepared<'_>,
    item: &Finish,
    waits: &[NewWait],
    (behind, now): (i64, Timestamp),
) -> Result<i64> {
    let mut replies = 0;
    for wait in waits {
        let resume = wait.resume.as_ref();
        let opened = connection.run(
            "INSERT INTO waits (id, conversation, turn_id, kind, state, subject, payload, node,
                 graph, state_version, opened_at, opened_behind, expires_at)
             VALUES (?1, ?2, ?3, ?4, 'open', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO NOTHING",
            params![
                wait.id.as_bytes(),
                item.conversation.as_bytes(),
                item.turn.as_bytes(),
                wait.kind.as_str(),
                wait.subject,
                packed::pack(&wait.payload)?,
                resume.map(|resume| resume.node.as_str()),
                resume.map(|resume| resume.graph.0),
                resume.map(|resume| resume.state_version),
                now.0,
                behind,
                wait.expires_at.map(|at| at.0)
            ],
        )?;
        if wait.kind == WaitKind::Reply {
            replies += opened as i64;
        }
    }
    Ok(replies)
}

/// Settles what a commit names, as far as it is open and the conversation's;
/// answers how many of them waited for the person. Nobody is woken: the turn that
/// settles them is the one that goes on.
pub(super) fn settle(
    connection: &Prepared<'_>,
    conversation: ConversationId,
    settles: &[(WaitId, WaitState)],
    now: Timestamp,
) -> Result<i64> {
    let mut replies = 0;
    for (id, state) in settles {
        let kind: Option<String> = connection.maybe(
            "UPDATE waits SET state = ?3, settled_at = ?4
             WHERE id = ?1 AND conversation = ?2 AND state = 'open' RETURNING kind",
            params![
                id.as_bytes(),
                conversation.as_bytes(),
                state.as_str(),
                now.0
            ],
            one,
        )?;
        replies += i64::from(kind.as_deref() == Some(WaitKind::Reply.as_str()));
    }
    Ok(replies)
}

/// Settles what has run out of time, the longest due first, where no turn is open.
pub(super) fn expire(connection: &Prepared<'_>, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
    let over = connection.all(
        "SELECT w.* FROM waits w INDEXED BY waits_expiry
         JOIN conversations c ON c.id = w.conversation
         WHERE w.state = 'open' AND w.expires_at <= ?1 AND c.open_turn IS NULL
           AND c.hold_kind IS NULL
           -- An answer that was accepted in time is on its way to a turn.
           AND NOT (w.kind = 'reply' AND c.pending > c.internals AND EXISTS (
               SELECT 1 FROM inbounds b WHERE b.conversation = c.id AND b.number > c.consumed
                 AND b.state = 'queued' AND b.origin = 'external'
                 AND b.accepted_at < w.expires_at))
         ORDER BY w.expires_at, w.rowid LIMIT ?2",
        params![now.0, limit as i64],
        WaitRow::written,
    )?;
    let mut due: Vec<Due> = Vec::new();
    for row in over {
        let wait = row.wait()?;
        connection.run(
            "UPDATE waits SET state = 'expired', settled_at = ?2 WHERE id = ?1",
            params![wait.opened.id.as_bytes(), now.0],
        )?;
        if wait.opened.kind == WaitKind::Reply {
            connection.run(
                "UPDATE conversations SET open_replies = open_replies - 1 WHERE id = ?1",
                params![wait.conversation.as_bytes()],
            )?;
        }
        let conversation = wait.conversation;
        if let Some(at) = go_on(connection, &wait, now)?
            && !due.iter().any(|due| due.conversation == conversation)
        {
            due.push(due_of(connection, conversation, at)?);
        }
    }
    let left = limit.saturating_sub(due.len());
    due.extend(wake(connection, now, left)?);
    Ok(due)
}

/// Wakes agents in conversations where nothing has happened and nothing will.
fn wake(connection: &Prepared<'_>, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
    let quiet: Vec<Blob> = connection.all(
        "SELECT id FROM conversations INDEXED BY conversations_wake
         WHERE wake_at <= ?1 AND open_turn IS NULL AND pending = 0 AND hold_kind IS NULL
         ORDER BY wake_at LIMIT ?2",
        params![now.0, limit as i64],
        one,
    )?;
    quiet
        .into_iter()
        .map(|id| {
            let conversation = ConversationId(uuid::Uuid::from_bytes(id));
            let at = hold::wake(connection, conversation, Wake::Due, now)?;
            due_of(connection, conversation, at)
        })
        .collect()
}

fn due_of(connection: &Prepared<'_>, conversation: ConversationId, at: Timestamp) -> Result<Due> {
    let tenant: String = connection.one(
        "SELECT tenant FROM conversations WHERE id = ?1",
        params![conversation.as_bytes()],
        one,
    )?;
    Ok(Due {
        conversation,
        tenant: TenantId::parse(tenant)?,
        at,
    })
}

/// Takes an operator's decision, if it is the first.
pub(super) fn decide(
    connection: &Prepared<'_>,
    id: WaitId,
    decision: &Decision,
    entry: AuditEntry,
) -> Result<Decided> {
    let now = entry.at;
    let Some(wait) = find(connection, id)? else {
        return Ok(Decided::NotFound);
    };
    if wait.opened.kind != WaitKind::Decision {
        return Ok(Decided::NotTheirs(wait.opened.kind));
    }
    if wait.state != WaitState::Open {
        return Ok(Decided::Already(wait.state));
    }
    if let Some(claim) = wait.claimed_by_another(&decision.by, now) {
        return Ok(Decided::Claimed(claim.clone()));
    }
    let audit_row = audit::append(connection, wait.conversation, entry)?;
    connection.run(
        "UPDATE waits SET state = 'decided', settled_at = ?2, decision = ?3, audit_row = ?4
         WHERE id = ?1",
        params![id.as_bytes(), now.0, json(decision)?, audit_row],
    )?;
    Ok(Decided::Done {
        conversation: wait.conversation,
        due_at: go_on(connection, &wait, now)?,
    })
}

/// Claims a wait for an operator, or gives it back.
pub(super) fn claim(
    connection: &Prepared<'_>,
    id: WaitId,
    act: &ClaimAct,
    entry: AuditEntry,
) -> Result<ClaimActed> {
    let Some(wait) = find(connection, id)? else {
        return Ok(ClaimActed::NotFound);
    };
    let claim = match act.on(&wait, entry.at) {
        Ok(claim) => claim,
        Err(refused) => return Ok(refused),
    };
    audit::append(connection, wait.conversation, entry)?;
    let claim = claim.as_ref();
    connection.run(
        "UPDATE waits SET claimed_by = ?2, claimed_at = ?3, claimed_until = ?4 WHERE id = ?1",
        params![
            id.as_bytes(),
            claim.map(|claim| claim.by.as_str()),
            claim.map(|claim| claim.since.0),
            claim.map(|claim| claim.until.0)
        ],
    )?;
    Ok(ClaimActed::Done)
}

pub(super) fn find(connection: &Prepared<'_>, id: WaitId) -> Result<Option<Wait>> {
    connection
        .maybe(
            "SELECT * FROM waits WHERE id = ?1",
            params![id.as_bytes()],
            WaitRow::written,
        )?
        .map(WaitRow::wait)
        .transpose()
}

/// Writes the internal inbound of a settled wait, unless another wait of its
/// parked turn is open. Answers when the conversation is due.
fn go_on(connection: &Prepared<'_>, settled: &Wait, now: Timestamp) -> Result<Option<Timestamp>> {
    if settled.opened.resume.is_some() {
        let waits_on: bool = connection.one(
            "SELECT EXISTS (SELECT 1 FROM waits INDEXED BY waits_turn
                 WHERE turn_id = ?1 AND node IS NOT NULL AND state = 'open')",
            params![settled.turn.as_bytes()],
            one,
        )?;
        if waits_on {
            return Ok(None);
        }
    }
    let wait = settled.opened.id;
    // No two inbounds come of one wait, so its id is the event's.
    let event = |_| EventId(wait.0);
    let content = Content::Settled { wait };
    internal::write(connection, settled.conversation, event, &content, now).map(Some)
}
