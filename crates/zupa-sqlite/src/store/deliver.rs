//! Stop 5, `deliver`, in SQL: attempts and their settlements.
//!
//! *Arrives*: wishes to send, results of sends.
//! *Leaves*: an attempt on record before the wire; states that only move
//! forward.
//! *If the process dies here*: an attempt on record without a result is in
//! doubt at the next start.

use std::time::Duration;

use rusqlite::params;
use zupa_core::store::{Attempt, Attempted, Settle, Settlement};
use zupa_core::{
    Hold, InboundState, Paced, PairPace, PlatformId, ReplyWindow, Result, Timestamp, WhenClosed,
};

use super::row::{Blob, Prepared, one};
use super::{dead_letters, failures, person};

/// Puts a delivery on record as being on the wire, if nobody did so before.
pub(super) fn attempt(
    connection: &Prepared<'_>,
    item: &Attempt,
    now: Timestamp,
) -> Result<Attempted> {
    let heard = heard_at(connection, item)?;
    if let Some(window) = item.window.filter(|window| !window.is_open(heard, now)) {
        return closed(connection, item, window.closed, heard, now);
    }
    let burst = match pace(connection, item, now)? {
        Ok(burst) => burst,
        Err(until) => {
            return match put_off(connection, item, until, PairPace::REASON)? {
                true => Ok(Attempted::Paced { until }),
                false => lost(connection, item, now),
            };
        }
    };
    let granted = connection.run(
        "UPDATE outbox SET state = 'sending', open = 1, attempts = ?3, not_before = ?4,
             tried_at = ?5
         WHERE conversation = ?1 AND number = ?2 AND (state = 'queued' OR state = 'retry')
           AND attempts = ?3 - 1
           AND NOT EXISTS (SELECT 1 FROM conversations WHERE id = ?1
                           AND (hold_kind IS NOT NULL
                                OR opted_out = 1 AND (lane = 'proactive' OR unasked = 1)))",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            item.attempt,
            item.answer_by.0,
            now.0
        ],
    )?;
    if granted == 1 {
        if let Some(burst) = burst {
            connection.run(
                "UPDATE conversations SET paced_from = ?2, paced = ?3 WHERE id = ?1",
                params![item.conversation.as_bytes(), burst.from.0, burst.count],
            )?;
        }
        return Ok(Attempted::Granted);
    }
    lost(connection, item, now)
}

/// The conversation's burst with this attempt in it, or when it may be made; none for a door
/// without a pace.
fn pace(
    connection: &Prepared<'_>,
    item: &Attempt,
    now: Timestamp,
) -> Result<std::result::Result<Option<Paced>, Timestamp>> {
    let Some(pace) = item.pace else {
        return Ok(Ok(None));
    };
    let last = connection.maybe(
        "SELECT paced_from, paced FROM conversations WHERE id = ?1 AND paced_from IS NOT NULL",
        [item.conversation.as_bytes()],
        |row| {
            Ok(Paced {
                from: Timestamp(row.get(0)?),
                count: row.get(1)?,
            })
        },
    )?;
    Ok(pace.next(last, now).map(Some))
}

/// When the person said something last, by the platform's word.
fn heard_at(connection: &Prepared<'_>, item: &Attempt) -> Result<Option<Timestamp>> {
    if item.window.is_none() {
        return Ok(None);
    }
    let heard: Option<Option<i64>> = connection.maybe(
        "SELECT heard_at FROM conversations WHERE id = ?1",
        [item.conversation.as_bytes()],
        one,
    )?;
    Ok(heard.flatten().map(Timestamp))
}

/// What becomes of a delivery to a person who has not been heard for long: it ends without
/// an attempt, or waits, or stays as it is.
fn closed(
    connection: &Prepared<'_>,
    item: &Attempt,
    closed: WhenClosed,
    heard: Option<Timestamp>,
    now: Timestamp,
) -> Result<Attempted> {
    if !is_waiting(connection, item)? {
        return lost(connection, item, now);
    }
    let kind = ReplyWindow::KIND;
    let settlement = match closed {
        WhenClosed::Template { .. } => return Ok(Attempted::Closed),
        WhenClosed::Wait { at_most } if waits_on(connection, item, at_most, heard, now)? => {
            return Ok(Attempted::Closed);
        }
        WhenClosed::Wait { .. } | WhenClosed::Review => Settlement::Failed { kind },
        WhenClosed::Drop => Settlement::Cancelled { kind },
    };
    // There is one way for deliveries to end, and it begins here.
    connection.run(
        "UPDATE outbox SET state = 'in_doubt' WHERE conversation = ?1 AND number = ?2",
        params![item.conversation.as_bytes(), item.number.0.cast_signed()],
    )?;
    let end = Settle {
        conversation: item.conversation,
        number: item.number,
        attempt: item.attempt.saturating_sub(1),
        settlement,
    };
    settle(connection, &end, now)?;
    Ok(Attempted::Ended)
}

/// Has the delivery wait for the person, if it has not done so for long enough since it was
/// said, or since an operator tried it again; true if so.
fn waits_on(
    connection: &Prepared<'_>,
    item: &Attempt,
    at_most: Duration,
    heard: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let put_off = connection.run(
        "UPDATE outbox SET state = 'retry', reason = ?3, heard_at = ?4, not_before = w.over
         FROM (SELECT CASE WHEN state = 'retry' AND reason IS ?3 THEN not_before
                           ELSE CASE WHEN lane = 'late' THEN ?6 ELSE committed_at END + ?5
                      END AS over
               FROM outbox WHERE conversation = ?1 AND number = ?2) w
         WHERE conversation = ?1 AND number = ?2 AND w.over > ?6",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            ReplyWindow::REASON,
            heard.map(|at| at.0),
            Timestamp(0).plus(at_most).0,
            now.0
        ],
    )?;
    Ok(put_off == 1)
}

/// Whether the delivery waits for this attempt, no human has its conversation, and the person
/// wants to hear it.
fn is_waiting(connection: &Prepared<'_>, item: &Attempt) -> Result<bool> {
    connection.one(
        "SELECT EXISTS (SELECT 1 FROM outbox o JOIN conversations c ON c.id = o.conversation
                        WHERE o.conversation = ?1 AND o.number = ?2 AND o.attempts = ?3 - 1
                          AND (o.state = 'queued' OR o.state = 'retry')
                          AND c.hold_kind IS NULL
                          AND NOT (c.opted_out = 1
                                   AND (o.lane = 'proactive' OR o.unasked = 1)))",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            item.attempt
        ],
        one,
    )
}

/// Has the delivery wait, if it does; true if so.
fn put_off(
    connection: &Prepared<'_>,
    item: &Attempt,
    until: Timestamp,
    reason: &'static str,
) -> Result<bool> {
    if !is_waiting(connection, item)? {
        return Ok(false);
    }
    connection.run(
        "UPDATE outbox SET state = 'retry', not_before = ?3, reason = ?4
         WHERE conversation = ?1 AND number = ?2",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            until.0,
            reason
        ],
    )?;
    Ok(true)
}

fn lost(connection: &Prepared<'_>, item: &Attempt, now: Timestamp) -> Result<Attempted> {
    person::cancel_unwanted(connection, item, now)?;
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
        Settlement::Cancelled { kind } => ("cancelled", None, Some(kind.as_str())),
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
    let gave_up = matches!(state, "failed" | "unknown");
    let settled_at = (gave_up || state == "cancelled").then_some(now.0);
    // An old answer, even if it ends only after the hand-back.
    let is_answered = gave_up && is_marked(connection, item)?;
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
    if settled == 1 && gave_up {
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
