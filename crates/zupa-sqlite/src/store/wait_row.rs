//! A wait's row, as both kinds of connection read it.

use rusqlite::Row;
use sqlx::sqlite::SqliteRow;
use zupa_core::packed;
use zupa_core::{
    ConversationId, Digest, Error, ErrorKind, NewWait, Result, Resume, Timestamp, TurnId, Wait,
    WaitClaim, WaitId, WaitKind, WaitState,
};

use super::decode;
use super::row::from_json;

/// The columns of `SELECT * FROM waits`, by their names.
pub(crate) struct WaitRow {
    id: Vec<u8>,
    conversation: Vec<u8>,
    turn: Vec<u8>,
    kind: String,
    state: String,
    subject: String,
    payload: String,
    node: Option<String>,
    graph: Option<Vec<u8>>,
    state_version: Option<u32>,
    opened_at: i64,
    expires_at: Option<i64>,
    settled_at: Option<i64>,
    decision: Option<String>,
    claimed_by: Option<String>,
    claimed_at: Option<i64>,
    claimed_until: Option<i64>,
}

macro_rules! read {
    ($row:ident . $get:ident) => {
        Self {
            id: $row.$get("id")?,
            conversation: $row.$get("conversation")?,
            turn: $row.$get("turn_id")?,
            kind: $row.$get("kind")?,
            state: $row.$get("state")?,
            subject: $row.$get("subject")?,
            payload: $row.$get("payload")?,
            node: $row.$get("node")?,
            graph: $row.$get("graph")?,
            state_version: $row.$get("state_version")?,
            opened_at: $row.$get("opened_at")?,
            expires_at: $row.$get("expires_at")?,
            settled_at: $row.$get("settled_at")?,
            decision: $row.$get("decision")?,
            claimed_by: $row.$get("claimed_by")?,
            claimed_at: $row.$get("claimed_at")?,
            claimed_until: $row.$get("claimed_until")?,
        }
    };
}

impl WaitRow {
    /// Off the writing connection.
    pub(super) fn written(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(read!(row.get))
    }

    /// Off a reading connection.
    pub(crate) fn read(row: &SqliteRow) -> sqlx::Result<Self> {
        use sqlx::Row;
        Ok(read!(row.try_get))
    }

    /// In words of the core.
    pub(crate) fn wait(self) -> Result<Wait> {
        let resume = match (self.node, self.graph, self.state_version) {
            (Some(node), Some(graph), Some(state_version)) => Some(Resume {
                node,
                graph: Digest(graph.try_into().map_err(|_| unknown("graph"))?),
                state_version,
            }),
            _ => None,
        };
        let claimed = self.claimed_at.zip(self.claimed_until);
        let claim = self
            .claimed_by
            .zip(claimed)
            .map(|(by, (since, until))| WaitClaim {
                by,
                since: Timestamp(since),
                until: Timestamp(until),
            });
        Ok(Wait {
            opened: NewWait {
                id: WaitId(decode::uuid_of(&self.id)?),
                kind: WaitKind::parse(&self.kind).ok_or_else(|| unknown("kind"))?,
                subject: self.subject,
                payload: packed::unpack(self.payload)?,
                resume,
                expires_at: self.expires_at.map(Timestamp),
            },
            turn: TurnId(decode::uuid_of(&self.turn)?),
            conversation: ConversationId(decode::uuid_of(&self.conversation)?),
            state: WaitState::parse(&self.state).ok_or_else(|| unknown("state"))?,
            opened_at: Timestamp(self.opened_at),
            settled_at: self.settled_at.map(Timestamp),
            decision: self.decision.as_deref().map(from_json).transpose()?,
            claim,
        })
    }
}

fn unknown(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, "a stored wait is not one of ours").with("column", what)
}
