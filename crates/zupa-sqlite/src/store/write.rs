//! One batch, one transaction, one hop to the connection's thread.

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Either, Executor};
use zupa_core::store::{Applied, Attempt, Batch, Claim, Durability, Finish, Record};
use zupa_core::{Error, ErrorKind, Outcome, ProcessId, Result, Timestamp};

use super::request::Request;
use super::sql::Frame;
use super::{Writer, rivals, sql};
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
