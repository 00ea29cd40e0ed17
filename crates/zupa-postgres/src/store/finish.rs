//! Stop 4, `commit`: ends of runs on their way into `zupa.finish`, and its
//! answers.

use serde::Deserialize;
use uuid::Uuid;
use zupa_core::store::{Commit, FailureNote, Finish, Finished, OutboxRow, TurnEnd, Verdict};
use zupa_core::{AuditHead, AuditLink, Digest, Number, Result, Timestamp};

use super::item::{item, json, packed, text};
use super::wait::{FactItem, SettleItem, WaitItem, fact, settled, wait};

item! {
    /// The end of a run.
    FinishItem is "zupa.finish_item" {
        turn: Uuid,
        conversation: Uuid,
        epoch: i64,
        how: &'static str,
        not_before: Option<i64>,
        reason: Option<String>,
        counts: bool,
        asked: bool,
        inbound_state: Option<&'static str>,
        audit_number: i64,
        audit_hash: Vec<u8>,
        audit: Vec<AuditItem>,
        outbox: Vec<OutboundItem>,
        state_version: Option<i64>,
        state: Option<String>,
        wake_at: Option<i64>,
        waits: Vec<WaitItem>,
        settles: Vec<SettleItem>,
        facts: Vec<FactItem>,
    }
}

item! {
    /// An entry of an audit chain.
    AuditItem is "zupa.audit_item" {
        number: i64,
        at: i64,
        actor: String,
        action: String,
        reason: String,
        turn: Option<Uuid>,
        config: Vec<u8>,
        commitment: Option<Vec<u8>>,
        salt: Option<i64>,
        hash: Vec<u8>,
    }
}

item! {
    /// A row for the outbox.
    OutboundItem is "zupa.outbound_item" {
        lane: &'static str,
        content: String,
        state: &'static str,
        open: bool,
        answer_by: Option<i64>,
        aside: bool,
    }
}

pub(super) fn finish(item: &Finish) -> Result<FinishItem> {
    let mut end = FinishItem {
        turn: item.turn.0,
        conversation: item.conversation.0,
        epoch: item.epoch.0.cast_signed(),
        how: "release",
        not_before: None,
        reason: None,
        counts: false,
        asked: false,
        inbound_state: None,
        audit_number: item.audit_head.number.cast_signed(),
        audit_hash: item.audit_head.hash.0.to_vec(),
        audit: item.audit.iter().map(link).collect(),
        outbox: Vec::new(),
        state_version: None,
        state: None,
        wake_at: None,
        waits: Vec::new(),
        settles: Vec::new(),
        facts: Vec::new(),
    };
    match &item.end {
        TurnEnd::Release => {}
        TurnEnd::Retry {
            not_before,
            failure,
        } => {
            end.how = "retry";
            end.not_before = Some(not_before.0);
            end.reason = Some(reason(failure));
            end.counts = failure.counts;
            end.asked = failure.asked;
        }
        TurnEnd::Split { failure } => {
            end.how = "split";
            end.reason = Some(reason(failure));
        }
        TurnEnd::Commit(commit) => leave(&mut end, commit)?,
    }
    Ok(end)
}

fn leave(end: &mut FinishItem, commit: &Commit) -> Result<()> {
    let (turn, inbound, why) = match &commit.verdict {
        Verdict::Answered => ("committed", "answered", None),
        Verdict::Silent(why) => ("committed", "silent", Some(text(why))),
        Verdict::Refused(why) => ("committed", "refused", Some(text(why))),
        Verdict::Dead(failure) => ("dead", "dead", Some(reason(failure))),
    };
    end.how = if commit.parks() { "parked" } else { turn };
    end.inbound_state = Some(inbound);
    end.reason = why;
    end.outbox = each(&commit.outbound, row)?;
    if let Some(state) = &commit.state {
        end.state_version = Some(state.version.into());
        end.state = Some(packed(&state.json, "a conversation's state")?);
        end.wake_at = commit.wake_at.map(|at| at.0);
    }
    end.waits = each(&commit.waits, wait)?;
    end.settles = commit.settles.iter().map(settled).collect();
    end.facts = each(&commit.facts, fact)?;
    Ok(())
}

pub(super) fn row(row: &OutboxRow) -> Result<OutboundItem> {
    Ok(OutboundItem {
        lane: row.outbound.lane.as_str(),
        content: json(&row.outbound.content)?,
        state: row.state.as_str(),
        open: row.state.is_open(),
        answer_by: row.answer_by.map(|at| at.0),
        aside: row.outbound.aside,
    })
}

fn each<T, S>(items: &[T], spell: impl Fn(&T) -> Result<S>) -> Result<Vec<S>> {
    items.iter().map(spell).collect()
}

/// An entry of an audit chain, as its hash was made over it.
pub(crate) fn link(link: &AuditLink) -> AuditItem {
    let entry = &link.entry;
    AuditItem {
        number: link.number.cast_signed(),
        at: entry.at.0,
        actor: entry.actor.clone(),
        action: entry.action.clone(),
        reason: entry.reason.clone(),
        turn: entry.turn.map(|turn| turn.0),
        config: entry.config.0.to_vec(),
        commitment: entry.commitment.map(|digest| digest.0.to_vec()),
        salt: link.salt.map(u64::cast_signed),
        hash: link.hash.0.to_vec(),
    }
}

/// A failure as one line of a row.
fn reason(failure: &FailureNote) -> String {
    text(&format!("{}: {}", failure.kind.as_str(), failure.message))
}

#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub(super) enum Answer {
    Done(Numbers),
    Already(Numbers),
    Stale,
    HeadMoved {
        audit_number: u64,
        audit_hash: Digest,
    },
}

#[derive(Deserialize)]
pub(super) struct Numbers {
    first: Option<u64>,
    count: u64,
    due_at: Option<i64>,
    held: bool,
}

impl Numbers {
    fn list(&self) -> Vec<Number> {
        let first = self.first.unwrap_or(0);
        (first..first + self.count).map(Number).collect()
    }
}

impl From<Answer> for Finished {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Done(said) => Self::Done {
                numbers: said.list(),
                due_at: said.due_at.map(Timestamp),
                held: said.held,
            },
            Answer::Already(said) => Self::Already {
                numbers: said.list(),
                due_at: said.due_at.map(Timestamp),
                held: said.held,
            },
            Answer::Stale => Self::Stale,
            Answer::HeadMoved {
                audit_number,
                audit_hash,
            } => Self::HeadMoved(AuditHead {
                number: audit_number,
                hash: audit_hash,
            }),
        }
    }
}
