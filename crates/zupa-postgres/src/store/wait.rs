//! Waits and facts: on their way into `zupa.leave`, handed out with a claim, and
//! settled when their time has come.

use serde::Deserialize;
use uuid::Uuid;
use zupa_core::packed::unpack;
use zupa_core::store::Due;
use zupa_core::{
    ConversationId, Decision, Digest, Fact, NewWait, Result, Resume, TenantId, Timestamp, TurnId,
    Wait, WaitClaim, WaitId, WaitKind, WaitState,
};

use super::decode;
use super::item::{checked, item, packed, text};
use crate::session::Sessions;

item! {
    /// A wait to open.
    WaitItem is "zupa.wait_item" {
        id: Uuid,
        kind: &'static str,
        subject: String,
        payload: String,
        node: Option<String>,
        graph: Option<Vec<u8>>,
        state_version: Option<i64>,
        expires_at: Option<i64>,
    }
}

item! {
    /// A wait that a turn has settled.
    SettleItem is "zupa.settle_item" {
        id: Uuid,
        state: &'static str,
    }
}

item! {
    /// Something that others may want to know.
    FactItem is "zupa.fact_item" {
        name: String,
        payload: String,
    }
}

pub(super) fn wait(new: &NewWait) -> Result<WaitItem> {
    let resume = new.resume.as_ref();
    Ok(WaitItem {
        id: new.id.0,
        kind: new.kind.as_str(),
        subject: checked(&new.subject, "a wait's subject")?,
        payload: packed(&new.payload, "a wait's payload")?,
        node: resume.map(|resume| text(&resume.node)),
        graph: resume.map(|resume| resume.graph.0.to_vec()),
        state_version: resume.map(|resume| resume.state_version.into()),
        expires_at: new.expires_at.map(|at| at.0),
    })
}

pub(super) fn settled((wait, state): &(WaitId, WaitState)) -> SettleItem {
    SettleItem {
        id: wait.0,
        state: state.as_str(),
    }
}

pub(super) fn fact(fact: &Fact) -> Result<FactItem> {
    Ok(FactItem {
        name: text(&fact.name),
        payload: checked(&fact.payload, "a fact's payload")?,
    })
}

/// What `zupa.wait` says of one.
#[derive(Deserialize)]
pub(crate) struct Waiting {
    id: Uuid,
    kind: String,
    state: String,
    turn: Uuid,
    conversation: Uuid,
    opened_at: i64,
    expires_at: Option<i64>,
    settled_at: Option<i64>,
    node: Option<String>,
    graph: Option<Digest>,
    state_version: Option<u32>,
    decided_by: Option<String>,
    approved: Option<bool>,
    note: Option<String>,
    claimed_by: Option<String>,
    claimed_at: Option<i64>,
    claimed_until: Option<i64>,
    subject: String,
    payload: String,
}

pub(crate) fn read(said: Waiting) -> Result<Wait> {
    let resume = said.node.zip(said.graph).map(|(node, graph)| Resume {
        node,
        graph,
        state_version: said.state_version.unwrap_or_default(),
    });
    let decision = said.decided_by.map(|by| Decision {
        by,
        approved: said.approved.unwrap_or_default(),
        note: said.note.unwrap_or_default(),
    });
    let claimed = said.claimed_at.zip(said.claimed_until);
    let claim = said
        .claimed_by
        .zip(claimed)
        .map(|(by, (since, until))| WaitClaim {
            by,
            since: Timestamp(since),
            until: Timestamp(until),
        });
    Ok(Wait {
        opened: NewWait {
            id: WaitId(said.id),
            kind: WaitKind::parse(&said.kind).ok_or_else(|| decode::unknown(&said.kind))?,
            subject: said.subject,
            payload: unpack(said.payload)?,
            resume,
            expires_at: said.expires_at.map(Timestamp),
        },
        turn: TurnId(said.turn),
        conversation: ConversationId(said.conversation),
        state: WaitState::parse(&said.state).ok_or_else(|| decode::unknown(&said.state))?,
        opened_at: Timestamp(said.opened_at),
        settled_at: said.settled_at.map(Timestamp),
        decision,
        claim,
    })
}

/// Settles what has run out of time.
pub(super) async fn expire(
    sessions: &Sessions,
    now: Timestamp,
    limit: usize,
    flush: bool,
) -> Result<Vec<Due>> {
    let expiring = sqlx::query(
        "SELECT e.conv, e.due, (SELECT tenant FROM zupa.conversations WHERE id = e.conv)
         FROM zupa.expire($1, $2, $3) e",
    )
    .bind(now.0)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(flush);
    let rows = sessions.all("settle what has expired", expiring).await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                conversation: ConversationId(decode::uuid(row, 0)?),
                at: decode::time(row, 1)?,
                tenant: TenantId::parse(decode::text(row, 2)?)?,
            })
        })
        .collect()
}
