//! A batch spelled for SQLite: the statements it needs and their parameters.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, SqlStr};
use zupa_core::store::{Batch, Settlement};
use zupa_core::{Error, Result};

use super::answers::Answers;
use super::sql::{self, Frame};
use super::{accept, claim, deliver, finish, record};
use crate::faults::Planted;

/// The statements and parameters of one batch.
pub(super) struct Request {
    pub sql: SqlStr,
    pub arguments: SqliteArguments,
    pub answers: Answers,
    pub planted_outbox: Option<SqliteArguments>,
}

impl Request {
    pub(super) fn of(batch: &Batch, planted: Planted, frame: Frame) -> Result<Self> {
        let mut answers = Answers::for_batch(batch);
        let mut lists: [Option<String>; sql::PARAMETERS] = Default::default();
        let mut parts = sql::Parts {
            planted,
            ..sql::Parts::default()
        };

        parts.settle = !batch.settle.is_empty();
        parts.settle_failed = batch
            .settle
            .iter()
            .any(|settle| matches!(settle.settlement, Settlement::Failed { .. }));
        if parts.settle {
            lists[sql::SETTLE] = Some(json(&map(&batch.settle, deliver::settle_item))?);
        }
        let receipts: Vec<_> = batch
            .receipts
            .iter()
            .filter_map(|receipt| deliver::receipt_item(receipt).ok())
            .collect();
        parts.receipts = !receipts.is_empty();
        if parts.receipts {
            lists[sql::RECEIPTS] = Some(json(&receipts)?);
        }
        let records = good(&batch.record, record::item, &mut answers.record);
        parts.record = batch.record.len() > 0;
        if parts.record {
            lists[sql::RECORD] = Some(json(&records)?);
        }
        parts.finish = !batch.finish.is_empty();
        if parts.finish {
            let (mut turns, mut outbox, mut audit) = (Vec::new(), Vec::new(), Vec::new());
            for items in good(&batch.finish, finish::items, &mut answers.finish) {
                turns.push(items.map(|items| {
                    outbox.extend(items.outbox);
                    audit.extend(items.audit);
                    items.turn
                }));
            }
            lists[sql::FINISH] = Some(json(&turns)?);
            lists[sql::OUTBOX] = Some(json(&outbox)?);
            lists[sql::AUDIT] = Some(json(&audit)?);
        }
        let accepts = good(&batch.accept, accept::item, &mut answers.accept);
        parts.accept = !batch.accept.is_empty();
        parts.accept_also = batch
            .accept
            .iter()
            .any(|accept| !accept.inbound.also.is_empty());
        if parts.accept {
            lists[sql::ACCEPT] = Some(json(&accepts)?);
        }
        parts.attempt = !batch.attempt.is_empty();
        if parts.attempt {
            lists[sql::ATTEMPT] = Some(json(&map(&batch.attempt, deliver::attempt_item))?);
        }
        parts.claim = !batch.claim.is_empty();
        if parts.claim {
            lists[sql::CLAIM] = Some(json(&map(&batch.claim, claim::item))?);
        }
        parts.renew = !batch.renew.is_empty();
        if parts.renew {
            lists[sql::RENEW] = Some(json(&map(&batch.renew, claim::renew_item))?);
        }
        let planted_outbox = (planted == Planted::OutboxOutsideTransaction && parts.finish)
            .then(|| arguments(batch, lists.clone()))
            .transpose()?;
        Ok(Self {
            sql: sql::batch(parts, frame),
            arguments: arguments(batch, lists)?,
            answers,
            planted_outbox,
        })
    }
}

fn arguments(batch: &Batch, lists: [Option<String>; sql::PARAMETERS]) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for (place, list) in lists.into_iter().enumerate() {
        let added = if place == sql::NOW {
            arguments.add(batch.now.0)
        } else {
            arguments.add(list)
        };
        added
            .map_err(|source| Error::internal("a parameter cannot be bound").with_source(source))?;
    }
    Ok(arguments)
}

fn json<T: serde::Serialize>(items: &T) -> Result<String> {
    serde_json::to_string(items)
        .map_err(|source| Error::invalid("a batch cannot be spelled as JSON").with_source(source))
}

fn map<'a, T, I>(items: &'a [T], item: impl Fn(&'a T) -> I) -> Vec<I> {
    items.iter().map(item).collect()
}

/// The items that can be spelled; the others are answered with their error and
/// leave `null` in their place, which no statement joins.
fn good<'a, T, I, A>(
    items: &'a [T],
    item: impl Fn(&'a T) -> Result<I>,
    answers: &mut [Option<Result<A>>],
) -> Vec<Option<I>> {
    items
        .iter()
        .zip(answers)
        .map(|(it, answer)| match item(it) {
            Ok(spelled) => Some(spelled),
            Err(error) => {
                *answer = Some(Err(error));
                None
            }
        })
        .collect()
}
