//! Stop 5, `deliver`, in SQL: attempts and their settlements.
//!
//! *Arrives*: wishes to send, results of sends.
//! *Leaves*: an attempt on record before the wire; states that only move
//! forward.
//! *If the process dies here*: an attempt on record without a result is in
//! doubt at the next start.

use rusqlite::params;
use zupa_core::store::{Attempt, Attempted, Settle, Settlement};
use zupa_core::{Hold, InboundState, PlatformId, Result, Timestamp};

use super::row::{Blob, Prepared, one};
use super::{dead_letters, failures};

/// Puts a delivery on record as being on the wire, if nobody did so before.
pub(super) fn attempt(
    connection: &Prepared<'_>,
    item: &Attempt,
    now: Timestamp,
) -> Result<Attempted> {
    let granted = connection.run(
        "UPDATE outbox SET state = 'sending', open = 1, attempts = ?3, not_before = ?4,
             tried_at = ?5
         WHERE conversation = ?1 AND number = ?2 AND (state = 'queued' OR state = 'retry')
           AND attempts = ?3 - 1
           AND NOT EXISTS (SELECT 1 FROM conversations WHERE id = ?1 AND hold_kind IS NOT NULL)",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            item.attempt,
            item.answer_by.0,
            now.0
        ],
    )?;
    if granted == 1 {
        return Ok(Attempted::Granted);
    }
    // What a hold has not found, because it was on the wire then.
    connection.run(
        "UPDATE outbox SET state = 'cancelled', open = 0, reason = ?3, not_before = NULL,
             settled_at = ?4
         WHERE conversation = ?1 AND number = ?2 AND (state = 'queued' OR state = 'retry')
           AND EXISTS (SELECT 1 FROM conversations WHERE id = ?1 AND hold_kind IS NOT NULL)",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            Hold::REASON,
            now.0
        ],
    )?;
    Ok(Attempted::Lost)
}

/// Writes what happened to an attempt. A late `sent` is true whatever we
/// believed; anything else must speak of the attempt on the wire or in doubt.
pub(super) fn settle(connection: &Prepared<'_>, item: &Settle, now: Timestamp) -> Result<()> {
    let (state, not_before, reason) = match &item.settlement {
        Settlement::Sent { platform_id } => {
            return sent(connection, item, platform_id.as_ref(), now);
        }
        Settlement::Retry { not_before, kind } => {
            ("retry", Some(not_before.0), Some(kind.as_str()))
        }
        Settlement::Failed { kind } => ("failed", None, Some(kind.as_str())),
        Settlement::InDoubt { until } => ("in_doubt", Some(until.0), None),
        Settlement::Unknown => ("unknown", None, Some("no evidence")),
        Settlement::SendAgain | Settlement::Resend => ("queued", None, None),
    };
    let failed = match &item.settlement {
        Settlement::Retry { kind, .. } | Settlement::Failed { kind } => {
            Some((kind.as_str(), "the channel did not take it"))
        }
        Settlement::Unknown => Some(("unknown", "nobody knows whether it has left")),
        _ => None,
    };
    if let Some(failed) = failed {
        failures::of_attempt(connection, item, failed, not_before, now)?;
    }
    if matches!(state, "retry" | "queued") && was_taken_over(connection, item, now)? {
        return Ok(());
    }
    let settled_at = matches!(state, "failed" | "unknown").then_some(now.0);
    // An old answer, even if it ends only after the hand-back.
    let is_answered = settled_at.is_some() && is_marked(connection, item)?;
    let settled = connection.run(
        "UPDATE outbox SET state = ?4, open = ?8, not_before = ?5,
             reason = CASE WHEN ?4 = 'in_doubt' AND reason = ?10 THEN reason ELSE ?6 END,
             settled_at = ?7, doubled = doubled + ?9
         WHERE conversation = ?1 AND number = ?2 AND attempts = ?3
           AND (state = 'sending' OR state = 'in_doubt')",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            item.attempt,
            state,
            not_before,
            reason,
            settled_at,
            settled_at.is_none(),
            item.settlement == Settlement::Resend,
            Hold::TAKEN_OVER
        ],
    )?;
    if settled == 1 && settled_at.is_some() {
        let number = item.number.0.cast_signed();
        let conversation = *item.conversation.as_bytes();
        let reason = is_answered.then_some(InboundState::AnsweredByHuman.as_str());
        dead_letters::delivery_gave_up(connection, conversation, number, reason)?;
    }
    // What was said with a step stands for itself; no reply begins with it.
    if settled == 1 && state == "failed" {
        connection.run(
            "UPDATE outbox SET state = 'cancelled', open = 0, reason = 'an earlier part failed',
                 settled_at = ?3
             WHERE conversation = ?1 AND number > ?2 AND state IN ('queued', 'retry')
               AND turn_id = (SELECT f.turn_id FROM outbox f
                              WHERE f.conversation = ?1 AND f.number = ?2 AND f.said = 0)",
            params![
                item.conversation.as_bytes(),
                item.number.0.cast_signed(),
                now.0
            ],
        )?;
    }
    Ok(())
}

/// Cancels what would have to be sent again, if it was on the wire or in doubt when a
/// human took over; true if so.
fn was_taken_over(connection: &Prepared<'_>, item: &Settle, now: Timestamp) -> Result<bool> {
    let cancelled = connection.run(
        "UPDATE outbox SET state = 'cancelled', open = 0, reason = ?4, not_before = NULL,
             settled_at = ?5
         WHERE conversation = ?1 AND number = ?2 AND attempts = ?3
           AND (state = 'sending' OR state = 'in_doubt') AND reason = ?6",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            item.attempt,
            Hold::REASON,
            now.0,
            Hold::TAKEN_OVER
        ],
    )?;
    Ok(cancelled == 1)
}

/// Whether a delivery was on the wire or in doubt when a human took over.
fn is_marked(connection: &Prepared<'_>, item: &Settle) -> Result<bool> {
    connection.one(
        "SELECT EXISTS (SELECT 1 FROM outbox
                        WHERE conversation = ?1 AND number = ?2 AND reason = ?3)",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            Hold::TAKEN_OVER
        ],
        one,
    )
}

fn sent(
    connection: &Prepared<'_>,
    item: &Settle,
    platform_id: Option<&PlatformId>,
    now: Timestamp,
) -> Result<()> {
    let platform_id = platform_id.map(PlatformId::as_str);
    let as_sent = |wherever: bool| {
        connection.run(
            "UPDATE outbox SET state = 'sent', open = 0, not_before = NULL, reason = NULL,
                 settled_at = ?3, platform_id = coalesce(?4, platform_id)
             WHERE conversation = ?1 AND number = ?2
               AND (state = 'sending'
                    OR ?5 AND state <> 'sent' AND state <> 'failed' AND state <> 'cancelled')",
            params![
                item.conversation.as_bytes(),
                item.number.0.cast_signed(),
                now.0,
                platform_id,
                wherever
            ],
        )
    };
    // Mostly it was on the wire, and nobody was told of a doubt.
    let mut settled = as_sent(false)?;
    if settled == 0 {
        let was_unknown: Option<(Blob, i64)> = connection.maybe(
            "SELECT turn_id, ordinal FROM outbox
             WHERE conversation = ?1 AND number = ?2 AND state = 'unknown'",
            params![item.conversation.as_bytes(), item.number.0.cast_signed()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        settled = as_sent(true)?;
        if let Some((turn, ordinal)) = was_unknown {
            dead_letters::was_sent(connection, turn, ordinal)?;
        }
    }
    // News that overtook this answer was kept under the platform's id.
    if settled == 1 && platform_id.is_some() {
        connection.run(
            "UPDATE outbox SET receipt = max(receipt, r.level)
             FROM receipts r, conversations c
             WHERE outbox.conversation = ?1 AND outbox.number = ?2 AND c.id = ?1
               AND r.about = ?3 AND r.channel = c.channel AND r.tenant = c.tenant",
            params![
                item.conversation.as_bytes(),
                item.number.0.cast_signed(),
                platform_id
            ],
        )?;
    }
    Ok(())
}
