//! One batch, one transaction, one hop to the connection's thread.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, Either, Executor, Row, SqlStr};
use zupa_core::store::{
    Applied, Attempt, Attempted, Batch, Claim, Durability, Finish, Finished, Record, Recorded,
};
use zupa_core::{Error, ErrorKind, Outcome, ProcessId, Result, Timestamp};

use super::sql::Frame;
use super::{Writer, accept, claim, decode, deliver, finish, record, rivals, sql};
use crate::config::{self, SqliteConfig};
use crate::error::error;
use crate::faults::Planted;

/// Applies a batch. If one item breaks a constraint, every item is applied on
/// its own, so that the bad one fails alone.
pub(super) async fn write(
    writer: &mut Writer,
    config: &SqliteConfig,
    batch: Batch,
) -> Result<Applied> {
    if batch.is_empty() {
        return Ok(Applied::default());
    }
    let flush =
        batch.durability() == Durability::Flushed && config.durability == config::Durability::Full;
    set_flushing(writer, flush).await?;
    let planted = config.planted();
    if rivals::any(&batch) {
        return one_by_one(&mut writer.connection, batch, planted).await;
    }
    match transaction(&mut writer.connection, &batch, planted, Frame::Transaction).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            one_by_one(&mut writer.connection, batch, planted).await
        }
        applied => applied,
    }
}

/// Notes that the process lives.
pub(super) async fn heartbeat(
    writer: &mut Writer,
    process: ProcessId,
    now: Timestamp,
) -> Result<()> {
    set_flushing(writer, false).await?;
    sqlx::query("UPDATE installation SET heartbeat_at = $2 WHERE process = $1")
        .bind(process.as_bytes().as_slice())
        .bind(now.0)
        .execute(&mut writer.connection)
        .await
        .map_err(|source| error("note that the process lives", source))?;
    Ok(())
}

async fn set_flushing(writer: &mut Writer, flush: bool) -> Result<()> {
    if writer.flushes == flush {
        return Ok(());
    }
    let pragma = if flush {
        "PRAGMA synchronous = FULL"
    } else {
        "PRAGMA synchronous = NORMAL"
    };
    sqlx::query(pragma)
        .execute(&mut writer.connection)
        .await
        .map_err(|source| error("choose how commits flush", source))?;
    writer.flushes = flush;
    Ok(())
}

async fn transaction(
    connection: &mut SqliteConnection,
    batch: &Batch,
    planted: Planted,
    frame: Frame,
) -> Result<Applied> {
    let request = Request::of(batch, planted, frame)?;
    let mut answers = request.answers;
    let mut failed = None;
    {
        let query = sqlx::query_with(request.sql, request.arguments);
        let mut rows = (&mut *connection).fetch_many(query);
        loop {
            match rows.try_next().await {
                Ok(Some(Either::Right(row))) => answers.read(&row, batch)?,
                Ok(Some(Either::Left(_))) => {}
                Ok(None) => break,
                Err(source) => {
                    failed = Some(source);
                    break;
                }
            }
        }
    }
    if let Some(source) = failed {
        undo(connection, frame).await?;
        return Err(error("write a batch", source));
    }
    if let Some(arguments) = request.planted_outbox {
        sqlx::query_with(sql::outbox_alone(), arguments)
            .execute(connection)
            .await
            .map_err(|source| error("write outbox rows", source))?;
    }
    Ok(answers.into_applied())
}

/// Undoes what failed half-way. SQLite has ended the whole transaction by itself
/// after some errors; then there is nothing to undo and it says so.
async fn undo(connection: &mut SqliteConnection, frame: Frame) -> Result<()> {
    match sqlx::raw_sql(frame.undoing()).execute(connection).await {
        Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
        Err(source) => Err(error("undo a batch", source).with_outcome(Outcome::Unknown)),
    }
}

/// The statements and parameters of one batch.
struct Request {
    sql: SqlStr,
    arguments: SqliteArguments,
    answers: Answers,
    planted_outbox: Option<SqliteArguments>,
}

impl Request {
    fn of(batch: &Batch, planted: Planted, frame: Frame) -> Result<Self> {
        let mut answers = Answers::for_batch(batch);
        let mut lists: [Option<String>; sql::PARAMETERS] = Default::default();
        let mut parts = sql::Parts {
            planted,
            ..sql::Parts::default()
        };

        parts.settle = !batch.settle.is_empty();
        parts.settle_failed = batch.settle.iter().any(|settle| {
            matches!(
                settle.settlement,
                zupa_core::store::Settlement::Failed { .. }
            )
        });
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

/// The answers as they come in, place by place.
struct Answers {
    record: Vec<Option<Result<Recorded>>>,
    finish: Vec<Option<Result<Finished>>>,
    accept: Vec<Option<Result<zupa_core::store::Accepted>>>,
    attempt: Vec<Option<Result<Attempted>>>,
    claim: Vec<Option<Result<zupa_core::store::ClaimOutcome>>>,
}

impl Answers {
    fn for_batch(batch: &Batch) -> Self {
        fn open<T>(length: usize) -> Vec<Option<Result<T>>> {
            std::iter::repeat_with(|| None).take(length).collect()
        }
        Self {
            record: open(batch.record.len()),
            finish: open(batch.finish.len()),
            accept: open(batch.accept.len()),
            attempt: open(batch.attempt.len()),
            claim: open(batch.claim.len()),
        }
    }

    fn read(&mut self, row: &SqliteRow, batch: &Batch) -> Result<()> {
        let part: &str = row.try_get(0).map_err(decode::broken)?;
        match part {
            "accept" => {
                let (place, answer) = accept::answer(row)?;
                set(&mut self.accept, place, answer);
            }
            "claim" => {
                let (place, answer) = claim::answer(row)?;
                set(&mut self.claim, place, answer);
            }
            "inbound" => {
                let (place, inbound) = claim::inbound(row)?;
                claim::taken(&mut self.claim, place)?.inbounds.push(inbound);
            }
            "step" => {
                let (place, step) = claim::step(row)?;
                claim::taken(&mut self.claim, place)?.steps.push(step);
            }
            "record" => {
                set(&mut self.record, record::written(row)?, Recorded::Written);
            }
            "finish" => {
                let outbounds = |place: usize| match batch.finish.get(place).map(|it| &it.end) {
                    Some(zupa_core::store::TurnEnd::Commit(commit)) => commit.outbound.len() as u64,
                    _ => 0,
                };
                let (place, answer) = finish::answer(row, outbounds)?;
                set(&mut self.finish, place, answer);
            }
            "attempt" => {
                let (conversation, number) = deliver::granted(row)?;
                for (place, item) in batch.attempt.iter().enumerate() {
                    if item.conversation == conversation && item.number == number {
                        set(&mut self.attempt, place, Attempted::Granted);
                    }
                }
            }
            other => {
                return Err(Error::internal(format!(
                    "a batch answered an unknown part {other}"
                )));
            }
        }
        Ok(())
    }

    /// What no row spoke of: a record of a lost claim, an attempt that somebody
    /// else made.
    fn into_applied(self) -> Applied {
        fn or<T>(
            answers: Vec<Option<Result<T>>>,
            silence: impl Fn() -> Result<T>,
        ) -> Vec<Result<T>> {
            answers
                .into_iter()
                .map(|answer| answer.unwrap_or_else(&silence))
                .collect()
        }
        fn unanswered<T>() -> Result<T> {
            Err(Error::internal("a batch left an item without an answer"))
        }
        Applied {
            record: or(self.record, || Ok(Recorded::Stale)),
            finish: or(self.finish, unanswered),
            accept: or(self.accept, unanswered),
            attempt: or(self.attempt, || Ok(Attempted::Lost)),
            claim: or(self.claim, unanswered),
        }
    }
}

fn set<T>(answers: &mut [Option<Result<T>>], place: usize, answer: T) {
    if let Some(open @ None) = answers.get_mut(place) {
        *open = Some(Ok(answer));
    }
}

/// Applies every item on its own, within one transaction: for items that are
/// about the same thing, which one statement cannot tell apart, and for finding
/// the one that breaks a constraint.
async fn one_by_one(
    connection: &mut SqliteConnection,
    batch: Batch,
    planted: Planted,
) -> Result<Applied> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    match items(connection, batch, planted).await {
        Ok(applied) => {
            execute(connection, "COMMIT").await?;
            Ok(applied)
        }
        Err(error) => {
            undo(connection, Frame::Transaction).await?;
            Err(error)
        }
    }
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    match sqlx::query(sql).execute(&mut *connection).await {
        Ok(_) => Ok(()),
        Err(source) => {
            undo(connection, Frame::Transaction).await?;
            Err(error("write a batch", source))
        }
    }
}

async fn items(
    connection: &mut SqliteConnection,
    batch: Batch,
    planted: Planted,
) -> Result<Applied> {
    let now = batch.now;
    let mut all = Applied::default();
    // In the order that the port promises.
    macro_rules! each {
        ($list:ident) => {
            for item in batch.$list {
                let one = Batch {
                    now,
                    $list: vec![item],
                    ..Batch::default()
                };
                let applied = match transaction(connection, &one, planted, Frame::Savepoint).await {
                    Err(error) if error.kind() == ErrorKind::Conflict => alone(&one, error),
                    applied => applied?,
                };
                all.record.extend(applied.record);
                all.finish.extend(applied.finish);
                all.accept.extend(applied.accept);
                all.attempt.extend(applied.attempt);
                all.claim.extend(applied.claim);
            }
        };
    }
    each!(settle);
    each!(receipts);
    each!(record);
    each!(finish);
    each!(accept);
    each!(attempt);
    each!(claim);
    each!(renew);
    Ok(all)
}

/// The answer to a batch of one whose item broke a constraint.
fn alone(batch: &Batch, error: Error) -> Applied {
    fn one<I, T>(items: &[I], error: &Error) -> Vec<Result<T>> {
        items.iter().map(|_| Err(error.clone())).collect()
    }
    Applied {
        record: one::<Record, _>(&batch.record, &error),
        finish: one::<Finish, _>(&batch.finish, &error),
        accept: one(&batch.accept, &error),
        attempt: one::<Attempt, _>(&batch.attempt, &error),
        claim: one::<Claim, _>(&batch.claim, &error),
    }
}
