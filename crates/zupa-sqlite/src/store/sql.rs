//! The one place where a batch becomes SQL text.
//!
//! A batch is one string of statements with numbered parameters, sent to the
//! connection's thread in one hop: `BEGIN`, the parts that the batch needs,
//! `COMMIT`. There are few distinct strings, so the statements stay prepared.
//! Lists travel as JSON and are spread by `json_each`: one statement serves the
//! whole list.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::{accept, claim, deliver, finish, record};
use crate::faults::Planted;

/// Which parts a batch needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    pub settle: bool,
    pub settle_failed: bool,
    pub receipts: bool,
    pub record: bool,
    pub finish: bool,
    pub accept: bool,
    pub accept_also: bool,
    pub attempt: bool,
    pub claim: bool,
    pub renew: bool,
    pub planted: Planted,
}

// Parameters, the same in every part.
pub(super) const NOW: usize = 0;
pub(super) const SETTLE: usize = 1;
pub(super) const RECEIPTS: usize = 2;
pub(super) const RECORD: usize = 3;
pub(super) const FINISH: usize = 4;
pub(super) const OUTBOX: usize = 5;
pub(super) const AUDIT: usize = 6;
pub(super) const ACCEPT: usize = 7;
pub(super) const ATTEMPT: usize = 8;
pub(super) const CLAIM: usize = 9;
pub(super) const RENEW: usize = 10;
pub(super) const PARAMETERS: usize = 11;

/// What stands around the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// The batch is the transaction.
    Transaction,
    /// The batch is one item of a transaction that is open.
    Savepoint,
}

impl Frame {
    fn opening(self) -> &'static str {
        match self {
            Self::Transaction => "BEGIN IMMEDIATE;",
            Self::Savepoint => "SAVEPOINT item;",
        }
    }

    fn closing(self) -> &'static str {
        match self {
            Self::Transaction => "COMMIT;",
            Self::Savepoint => "RELEASE item;",
        }
    }

    /// Undoes what the parts did.
    pub(super) fn undoing(self) -> &'static str {
        match self {
            Self::Transaction => "ROLLBACK;",
            Self::Savepoint => "ROLLBACK TO item; RELEASE item;",
        }
    }
}

/// The statements of a batch, in the order that the port promises.
pub(super) fn batch(parts: Parts, frame: Frame) -> SqlStr {
    let mut text = String::with_capacity(16 * 1024);
    text.push_str(frame.opening());
    let mut add = |wanted: bool, sql: &str| {
        if wanted {
            text.push_str(sql);
        }
    };
    add(parts.settle, deliver::SETTLE);
    add(parts.settle_failed, deliver::CANCEL_LATER_PARTS);
    add(parts.receipts, deliver::RECEIPTS);
    add(parts.record, record::RECORD);
    add(parts.finish, finish::JUDGE);
    add(parts.finish, finish::TURNS);
    add(parts.finish, finish::INBOUNDS);
    add(
        parts.finish && parts.planted != Planted::OutboxOutsideTransaction,
        finish::OUTBOX,
    );
    add(parts.finish, finish::AUDIT);
    add(parts.finish, finish::CONVERSATIONS);
    add(parts.accept, accept::LEDGER);
    add(parts.accept, accept::ALIASES);
    add(parts.accept_also, accept::FURTHER_ALIASES);
    add(parts.accept, accept::CONVERSATIONS);
    add(parts.accept, accept::INBOUNDS);
    add(parts.accept, accept::WINDOWS);
    add(parts.accept, accept::ANSWERS);
    add(parts.accept, accept::DUPLICATES);
    add(parts.attempt, deliver::ATTEMPT);
    add(parts.claim, claim::TAKE);
    add(parts.claim, claim::TURNS);
    add(parts.claim, claim::ANSWERS);
    add(parts.claim, claim::INBOUNDS);
    add(parts.claim, claim::STEPS);
    add(parts.renew, claim::RENEW);
    text.push_str(frame.closing());
    let text = match parts.planted {
        Planted::DedupeWithoutTenant => text
            .replace("p.tenant = i.value->>'tn'", "p.tenant = ''")
            .replace(accept::LEDGER_TENANT, "''"),
        Planted::CommitWithoutEpoch => text.replace("AND c.epoch = i.value->>'ep'", ""),
        Planted::None | Planted::OutboxOutsideTransaction => text,
    };
    AssertSqlSafe(text).into_sql_str()
}

/// A planted bug: the outbox rows, written on their own after the commit.
pub(super) fn outbox_alone() -> SqlStr {
    AssertSqlSafe(finish::OUTBOX_ALONE).into_sql_str()
}
