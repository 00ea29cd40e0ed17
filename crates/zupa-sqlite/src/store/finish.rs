//! Stop 4, `commit`, in SQL.
//!
//! *Arrives*: ends of turns, each under the claim it ran under.
//! *Leaves*: range, outbox rows, audit entries, turn and conversation, all or
//! nothing per item; a stale item changes nothing.
//! *If the process dies here*: the transaction is there or not.
//!
//! Every statement joins the same fence: the conversation still has the epoch,
//! the open turn, a holder, and the audit head that the end was chained to. The
//! conversation's row changes last, so the fence stands for all of them.

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use zupa_core::store::{FailureNote, Finish, Finished, TurnEnd, Verdict};
use zupa_core::{AuditHead, DeliveryState, Error, Number, Result, Timestamp};

use super::decode;

macro_rules! fenced {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " JOIN conversations c ON c.id = unhex(i.value->>'c') AND c.epoch = i.value->>'ep'
               AND c.open_turn = unhex(i.value->>'t') AND c.holder IS NOT NULL
               AND c.audit_number = i.value->>'an' ",
            $after
        )
    };
}

// What the fence says of each item, before anything changes.
pub(super) const JUDGE: &str = "
SELECT 'finish', i.key, t.state, t.epoch = i.value->>'ep',
       c.id IS NOT NULL AND c.audit_number <> i.value->>'an', c.id IS NOT NULL,
       c.audit_number, c.audit_hash, c.last_number,
       CASE WHEN i.value->>'k' = 'retry' THEN i.value->>'nb'
            WHEN i.value->>'k' = 'split' THEN $1
            WHEN i.value->>'k' = 'release' THEN c.due_at
            WHEN c.pending > 0 THEN coalesce(c.closes_at, $1) END
FROM json_each($5) i
LEFT JOIN turns t ON t.id = unhex(i.value->>'t')
LEFT JOIN conversations c ON c.id = unhex(i.value->>'c') AND c.epoch = i.value->>'ep'
     AND c.open_turn = unhex(i.value->>'t') AND c.holder IS NOT NULL;";

pub(super) const TURNS: &str = fenced!(
    "
UPDATE turns SET
    state = i.value->>'ts', reason = i.value->>'rs', not_before = i.value->>'nb',
    ended_at = CASE WHEN i.value->>'k' IN ('commit', 'split') THEN $1 END,
    failures = failures + (i.value->>'cf'),
    provider_failures = CASE WHEN i.value->>'pf' THEN provider_failures + 1 ELSE 0 END,
    first_outbound = CASE WHEN i.value->>'no' > 0 THEN c.last_number + 1 END,
    outbounds = i.value->>'no'
FROM json_each($5) i",
    "WHERE turns.id = c.open_turn AND i.value->>'k' <> 'release';"
);

pub(super) const INBOUNDS: &str = fenced!(
    "
UPDATE inbounds SET state = i.value->>'st', reason = i.value->>'rs', turn_id = c.open_turn
FROM json_each($5) i",
    "JOIN turns t ON t.id = c.open_turn
     WHERE i.value->>'k' = 'commit' AND inbounds.conversation = c.id
       AND inbounds.number BETWEEN t.first AND t.last AND inbounds.state = 'queued';"
);

pub(super) const OUTBOX: &str = fenced!(
    "
INSERT INTO outbox (conversation, number, turn_id, ordinal, lane, content, state, attempts,
                    not_before, committed_at, settled_at)
SELECT c.id, c.last_number + 1 + (i.value->>'o'), c.open_turn, i.value->>'o', i.value->>'ln',
       i.value->>'ct', i.value->>'s', i.value->>'n', i.value->>'by', $1,
       CASE WHEN i.value->>'s' = 'sent' THEN $1 END
FROM json_each($6) i",
    ";"
);

// A planted bug needs the same rows without fence or transaction.
pub(super) const OUTBOX_ALONE: &str = "
INSERT INTO outbox (conversation, number, turn_id, ordinal, lane, content, state, attempts,
                    not_before, committed_at, settled_at)
SELECT t.conversation, t.first_outbound + (i.value->>'o'), t.id, i.value->>'o', i.value->>'ln',
       i.value->>'ct', i.value->>'s', i.value->>'n', i.value->>'by', $1,
       CASE WHEN i.value->>'s' = 'sent' THEN $1 END
FROM json_each($6) i JOIN turns t ON t.id = unhex(i.value->>'t') AND t.state = 'committed';";

pub(super) const AUDIT: &str = fenced!(
    "
INSERT INTO audit (stream, number, at, actor, action, reason, turn_id, config, commitment, salt,
                   hash)
SELECT c.id, i.value->>'n', i.value->>'at', i.value->>'ac', i.value->>'do', i.value->>'rs',
       unhex(i.value->>'tu'), unhex(i.value->>'cf'), unhex(i.value->>'cm'), i.value->>'sa',
       unhex(i.value->>'h')
FROM json_each($7) i",
    ";"
);

pub(super) const CONVERSATIONS: &str = "
UPDATE conversations SET
    holder       = NULL,
    open_turn    = CASE WHEN i.value->>'k' IN ('commit', 'split') THEN NULL ELSE open_turn END,
    last_number  = last_number + (i.value->>'no'),
    consumed     = CASE WHEN i.value->>'k' = 'commit' THEN max(consumed, t.last) ELSE consumed END,
    split_until  = CASE WHEN i.value->>'k' = 'split' THEN t.last ELSE split_until END,
    pending      = CASE WHEN i.value->>'k' = 'split'
                        THEN pending + (SELECT count(*) FROM inbounds b
                                        WHERE b.conversation = conversations.id
                                          AND b.number BETWEEN t.first AND t.last
                                          AND b.state = 'queued')
                        ELSE pending END,
    due_at       = CASE WHEN i.value->>'k' = 'retry' THEN i.value->>'nb'
                        WHEN i.value->>'k' = 'split' THEN $1
                        WHEN i.value->>'k' = 'release' THEN due_at
                        WHEN pending > 0 THEN coalesce(closes_at, $1) END,
    audit_number = audit_number + (i.value->>'na'),
    audit_hash   = coalesce(unhex(i.value->>'nh'), audit_hash)
FROM json_each($5) i JOIN turns t ON t.id = unhex(i.value->>'t')
WHERE conversations.id = unhex(i.value->>'c') AND conversations.epoch = i.value->>'ep'
  AND conversations.open_turn = t.id AND conversations.holder IS NOT NULL
  AND conversations.audit_number = i.value->>'an';";

#[derive(Serialize)]
pub(super) struct Item {
    c: String,
    t: String,
    ep: u64,
    an: u64,
    k: &'static str,
    ts: &'static str,
    st: &'static str,
    rs: Option<String>,
    nb: Option<i64>,
    cf: u8,
    pf: u8,
    no: usize,
    na: usize,
    nh: Option<String>,
}

#[derive(Serialize)]
pub(super) struct OutboxItem {
    c: String,
    t: String,
    ep: u64,
    an: u64,
    o: usize,
    ln: &'static str,
    ct: String,
    s: &'static str,
    n: u8,
    by: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct AuditItem<'a> {
    c: String,
    t: String,
    ep: u64,
    an: u64,
    n: u64,
    at: i64,
    ac: &'a str,
    r#do: &'a str,
    rs: &'a str,
    tu: Option<String>,
    cf: String,
    cm: Option<String>,
    sa: Option<i64>,
    h: String,
}

/// One end, as the statements read it.
pub(super) struct Items<'a> {
    pub turn: Item,
    pub outbox: Vec<OutboxItem>,
    pub audit: Vec<AuditItem<'a>>,
}

pub(super) fn items(finish: &Finish) -> Result<Items<'_>> {
    let c = hex::encode(finish.conversation.as_bytes());
    let t = hex::encode(finish.turn.as_bytes());
    let (ep, an) = (finish.epoch.0, finish.audit_head.number);
    let mut turn = Item {
        c: c.clone(),
        t: t.clone(),
        ep,
        an,
        k: "release",
        ts: "running",
        st: "queued",
        rs: None,
        nb: None,
        cf: 0,
        pf: 0,
        no: 0,
        na: finish.audit.len(),
        nh: finish.audit.last().map(|link| link.hash.to_hex()),
    };
    let mut outbox = Vec::new();
    match &finish.end {
        TurnEnd::Release => {}
        TurnEnd::Retry {
            not_before,
            failure,
        } => {
            (turn.k, turn.ts) = ("retry", "retry");
            turn.nb = Some(not_before.0);
            turn.rs = Some(reason(failure));
            (turn.cf, turn.pf) = (u8::from(failure.counts), u8::from(!failure.counts));
        }
        TurnEnd::Split { failure } => {
            (turn.k, turn.ts) = ("split", "superseded");
            turn.rs = Some(reason(failure));
            turn.cf = 1;
        }
        TurnEnd::Commit(commit) => {
            turn.k = "commit";
            (turn.ts, turn.st, turn.rs, turn.cf) = match &commit.verdict {
                Verdict::Answered => ("committed", "answered", None, 0),
                Verdict::Silent(why) => ("committed", "silent", Some(why.clone()), 0),
                Verdict::Dead(failure) => ("dead", "dead", Some(reason(failure)), 1),
            };
            turn.no = commit.outbound.len();
            for (o, row) in commit.outbound.iter().enumerate() {
                outbox.push(OutboxItem {
                    c: c.clone(),
                    t: t.clone(),
                    ep,
                    an,
                    o,
                    ln: row.outbound.lane.as_str(),
                    ct: serde_json::to_string(&row.outbound.content).map_err(|source| {
                        Error::invalid("an outbound's content is not JSON").with_source(source)
                    })?,
                    s: row.state.as_str(),
                    n: u8::from(row.state == DeliveryState::Sending),
                    by: row.answer_by.map(|at| at.0),
                });
            }
        }
    }
    let audit = finish
        .audit
        .iter()
        .map(|link| AuditItem {
            c: c.clone(),
            t: t.clone(),
            ep,
            an,
            n: link.number,
            at: link.entry.at.0,
            ac: &link.entry.actor,
            r#do: &link.entry.action,
            rs: &link.entry.reason,
            tu: link.entry.turn.map(|turn| hex::encode(turn.as_bytes())),
            cf: link.entry.config.to_hex(),
            cm: link.entry.commitment.map(|digest| digest.to_hex()),
            sa: link.salt.map(u64::cast_signed),
            h: link.hash.to_hex(),
        })
        .collect();
    Ok(Items {
        turn,
        outbox,
        audit,
    })
}

/// A failure as one line of a row.
pub(super) fn reason(failure: &FailureNote) -> String {
    format!("{}: {}", failure.kind.as_str(), failure.message)
}

/// Reads one row of [`JUDGE`]: the item's place and its answer.
pub(super) fn answer(
    row: &SqliteRow,
    outbounds: impl Fn(usize) -> u64,
) -> Result<(usize, Finished)> {
    let place = decode::place(row, 1)?;
    let fenced_in: bool = row.try_get(5).map_err(decode::broken)?;
    if !fenced_in {
        let state: Option<&str> = row.try_get(2).map_err(decode::broken)?;
        let same_epoch: Option<bool> = row.try_get(3).map_err(decode::broken)?;
        let ended = matches!(state, Some("committed" | "dead" | "superseded"));
        let already = ended && same_epoch == Some(true);
        return Ok((
            place,
            if already {
                Finished::Already
            } else {
                Finished::Stale
            },
        ));
    }
    let moved: bool = row.try_get(4).map_err(decode::broken)?;
    if moved {
        let head = AuditHead {
            number: decode::number(row, 6)?,
            hash: decode::digest(row, 7)?,
        };
        return Ok((place, Finished::HeadMoved(head)));
    }
    let last = decode::number(row, 8)?;
    let due_at: Option<i64> = row.try_get(9).map_err(decode::broken)?;
    Ok((
        place,
        Finished::Done {
            numbers: (1..=outbounds(place))
                .map(|offset| Number(last + offset))
                .collect(),
            due_at: due_at.map(Timestamp),
        },
    ))
}
