//! Stop 5, `deliver`, in SQL: attempts, settlements and receipts.
//!
//! *Arrives*: wishes to send, results of sends, news from platforms.
//! *Leaves*: an attempt on record before the wire; states that only move
//! forward; receipt levels that only go up.
//! *If the process dies here*: an attempt on record without a result is in
//! doubt at the next start.

use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use zupa_core::store::{Attempt, Settle, Settlement};
use zupa_core::{ConversationId, Error, Number, Receipt, ReceiptNews, Result};

use super::decode;

// A late `sent` is true whatever we believed; anything else must speak of the
// attempt that is on the wire, or in doubt.
pub(super) const SETTLE: &str = "
UPDATE outbox SET
    state = i.value->>'s', reason = i.value->>'rs', not_before = i.value->>'nb',
    platform_id = coalesce(i.value->>'pi', platform_id),
    settled_at = CASE WHEN i.value->>'s' IN ('sent', 'failed', 'unknown') THEN $1 END,
    receipt = max(receipt, coalesce(
        (SELECT r.level FROM receipts r JOIN conversations c ON c.id = outbox.conversation
         WHERE r.about = i.value->>'pi' AND r.channel = c.channel AND r.tenant = c.tenant), 0))
FROM json_each($2) i
WHERE conversation = unhex(i.value->>'c') AND number = i.value->>'n'
  AND ((i.value->>'s' = 'sent' AND state NOT IN ('sent', 'failed', 'cancelled'))
       OR (state IN ('sending', 'in_doubt') AND attempts = i.value->>'a'));";

pub(super) const CANCEL_LATER_PARTS: &str = "
UPDATE outbox SET state = 'cancelled', reason = 'an earlier part failed', settled_at = $1
FROM json_each($2) i
JOIN outbox f ON f.conversation = unhex(i.value->>'c') AND f.number = i.value->>'n'
             AND f.state = 'failed'
WHERE i.value->>'s' = 'failed' AND outbox.conversation = f.conversation
  AND outbox.turn_id = f.turn_id AND outbox.ordinal > f.ordinal
  AND outbox.state IN ('queued', 'retry');";

// News about a message of ours, by the platform's id or by our key; what nobody
// knows yet is kept. Then edits and revokes, which reach only what no turn has.
pub(super) const RECEIPTS: &str = "
UPDATE outbox SET
    receipt = max(receipt, i.value->>'lv'),
    platform_id = coalesce(outbox.platform_id, i.value->>'ab'),
    settled_at = coalesce(settled_at, $1),
    state = CASE WHEN outbox.state NOT IN ('failed', 'cancelled') AND i.value->>'lv' <> 3
                 THEN 'sent' ELSE outbox.state END
FROM json_each($3) i
JOIN turns t ON t.id = unhex(i.value->>'kt')
JOIN conversations c ON c.id = t.conversation AND c.channel = i.value->>'ch'
                    AND c.tenant = i.value->>'tn'
WHERE i.value->>'k' = 'status' AND outbox.conversation = t.conversation
  AND outbox.number = t.first_outbound + (i.value->>'ko') AND outbox.turn_id = t.id;
UPDATE outbox SET
    receipt = max(receipt, i.value->>'lv'),
    settled_at = coalesce(settled_at, $1),
    state = CASE WHEN outbox.state NOT IN ('failed', 'cancelled') AND i.value->>'lv' <> 3
                 THEN 'sent' ELSE outbox.state END
FROM (SELECT j.value AS value FROM json_each($3) j) i
WHERE i.value->>'k' = 'status' AND outbox.platform_id = i.value->>'ab'
  AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = outbox.conversation
              AND c.channel = i.value->>'ch' AND c.tenant = i.value->>'tn');
INSERT INTO receipts (about, channel, tenant, level, at)
SELECT i.value->>'ab', i.value->>'ch', i.value->>'tn', i.value->>'lv', $1
FROM json_each($3) i
WHERE i.value->>'k' = 'status' AND NOT EXISTS
      (SELECT 1 FROM outbox o JOIN conversations c ON c.id = o.conversation
       WHERE o.platform_id = i.value->>'ab' AND c.channel = i.value->>'ch'
         AND c.tenant = i.value->>'tn')
ON CONFLICT (about, channel, tenant) DO UPDATE SET level = max(level, excluded.level);
UPDATE inbounds SET
    content = CASE WHEN i.value->>'k' = 'edit' THEN i.value->>'ct' ELSE inbounds.content END,
    state   = CASE WHEN i.value->>'k' = 'revoke' THEN 'silent' ELSE inbounds.state END,
    reason  = CASE WHEN i.value->>'k' = 'revoke' THEN 'revoked' END
FROM json_each($3) i
JOIN processed_events p ON p.platform_id = i.value->>'ab' AND p.scope = ''
     AND p.channel = i.value->>'ch' AND p.tenant = i.value->>'tn'
JOIN inbounds b ON b.event_id = p.event_id
JOIN conversations c ON c.id = b.conversation
LEFT JOIN turns t ON t.id = c.open_turn
WHERE i.value->>'k' IN ('edit', 'revoke') AND inbounds.conversation = b.conversation
  AND inbounds.number = b.number AND inbounds.state = 'queued'
  AND b.number > coalesce(t.last, 0);
UPDATE conversations SET
    pending = r.pending,
    due_at = CASE WHEN r.pending = 0 AND open_turn IS NULL THEN NULL ELSE due_at END
FROM (SELECT c.id AS id, (SELECT count(*) FROM inbounds q
                          WHERE q.conversation = c.id AND q.state = 'queued'
                            AND q.number > max(c.consumed, coalesce(t.last, 0))) AS pending
      FROM json_each($3) i
      JOIN processed_events p ON p.platform_id = i.value->>'ab' AND p.scope = ''
           AND p.channel = i.value->>'ch' AND p.tenant = i.value->>'tn'
      JOIN inbounds b ON b.event_id = p.event_id
      JOIN conversations c ON c.id = b.conversation
      LEFT JOIN turns t ON t.id = c.open_turn
      WHERE i.value->>'k' = 'revoke') r
WHERE conversations.id = r.id;";

pub(super) const ATTEMPT: &str = "
UPDATE outbox SET state = 'sending', attempts = i.value->>'a', not_before = i.value->>'by'
FROM json_each($9) i
WHERE conversation = unhex(i.value->>'c') AND number = i.value->>'n'
  AND state IN ('queued', 'retry') AND attempts = (i.value->>'a') - 1
RETURNING 'attempt', conversation, number;";

#[derive(Serialize)]
pub(super) struct SettleItem {
    c: String,
    n: u64,
    a: u32,
    s: &'static str,
    nb: Option<i64>,
    rs: Option<&'static str>,
    pi: Option<String>,
}

pub(super) fn settle_item(settle: &Settle) -> SettleItem {
    let (s, nb, rs, pi) = match &settle.settlement {
        Settlement::Sent { platform_id } => (
            "sent",
            None,
            None,
            platform_id.as_ref().map(|id| id.as_str().to_owned()),
        ),
        Settlement::Retry { not_before, kind } => {
            ("retry", Some(not_before.0), Some(kind.as_str()), None)
        }
        Settlement::Failed { kind } => ("failed", None, Some(kind.as_str()), None),
        Settlement::InDoubt { until } => ("in_doubt", Some(until.0), None, None),
        Settlement::Unknown => ("unknown", None, Some("no evidence"), None),
        Settlement::SendAgain => ("queued", None, None, None),
    };
    SettleItem {
        c: hex::encode(settle.conversation.as_bytes()),
        n: settle.number.0,
        a: settle.attempt,
        s,
        nb,
        rs,
        pi,
    }
}

#[derive(Serialize)]
pub(super) struct ReceiptItem<'a> {
    tn: &'a str,
    ch: &'a str,
    ab: &'a str,
    k: &'static str,
    lv: u8,
    kt: Option<String>,
    ko: Option<u32>,
    ct: Option<String>,
}

pub(super) fn receipt_item(receipt: &Receipt) -> Result<ReceiptItem<'_>> {
    let mut item = ReceiptItem {
        tn: receipt.tenant.as_str(),
        ch: receipt.channel.as_str(),
        ab: receipt.about.as_str(),
        k: "status",
        lv: 0,
        kt: None,
        ko: None,
        ct: None,
    };
    match &receipt.news {
        ReceiptNews::Status { level, key } => {
            item.lv = *level as u8;
            // A key that is not ours is somebody else's message.
            let key = key
                .as_deref()
                .and_then(|key| zupa_core::DeliveryId::parse(key).ok());
            item.kt = key.map(|key| hex::encode(key.turn.as_bytes()));
            item.ko = key.map(|key| key.ordinal);
        }
        ReceiptNews::Edit { content } => {
            item.k = "edit";
            item.ct = Some(serde_json::to_string(content).map_err(|source| {
                Error::invalid("an edited content is not JSON").with_source(source)
            })?);
        }
        ReceiptNews::Revoke => item.k = "revoke",
        other => {
            return Err(Error::invalid(format!(
                "a receipt of unknown news {other:?}"
            )));
        }
    }
    Ok(item)
}

#[derive(Serialize)]
pub(super) struct AttemptItem {
    c: String,
    n: u64,
    a: u32,
    by: i64,
}

pub(super) fn attempt_item(attempt: &Attempt) -> AttemptItem {
    AttemptItem {
        c: hex::encode(attempt.conversation.as_bytes()),
        n: attempt.number.0,
        a: attempt.attempt,
        by: attempt.answer_by.0,
    }
}

/// Reads one row of [`ATTEMPT`]: which delivery may go.
pub(super) fn granted(row: &SqliteRow) -> Result<(ConversationId, Number)> {
    Ok((
        ConversationId(decode::uuid(row, 1)?),
        Number(decode::number(row, 2)?),
    ))
}
