//! One batch, one transaction.

use zupa_core::store::{Accepted, Applied, Batch, TurnEnd};
use zupa_core::{ErrorKind, Result};

use super::outbox::{self, Place};
use super::row::{Prepared, one};
use super::{accept, claim, dead_letters, deliver, finish, receipts, record};
use crate::faults::Planted;

/// Applies a batch. If an item is refused, the batch is applied once more with
/// a savepoint around each, so that the bad one fails alone.
pub(super) fn write(connection: &Prepared<'_>, batch: &Batch, planted: Planted) -> Result<Applied> {
    let applied = match transaction(connection, || {
        items(connection, batch, planted, Guard::None)
    }) {
        Err(error) if is_the_items_fault(&error) => transaction(connection, || {
            items(connection, batch, planted, Guard::Savepoint)
        }),
        applied => applied,
    }?;
    if planted == Planted::OutboxOutsideTransaction {
        outbox_alone(connection, batch, &applied)?;
    }
    Ok(applied)
}

/// Runs the work in a transaction of its own, which dead letters follow.
pub(super) fn transaction<T>(
    connection: &Prepared<'_>,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let done = work().and_then(|done| {
        dead_letters::follow(connection)?;
        execute(connection, "COMMIT").map(|()| done)
    });
    if done.is_err() {
        // SQLite has ended the transaction by itself after some errors.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    None,
    Savepoint,
}

/// In the order that the port promises.
fn items(
    connection: &Prepared<'_>,
    batch: &Batch,
    planted: Planted,
    guard: Guard,
) -> Result<Applied> {
    let now = batch.now;
    let mut applied = Applied::default();
    for item in &batch.settle {
        let settle = || deliver::settle(connection, item, now);
        applied.settle.push(guarded(connection, guard, settle)?);
    }
    for item in &batch.receipts {
        guarded(connection, guard, || {
            receipts::receipt(connection, item, now)
        })?
        .ok();
    }
    for item in &batch.record {
        applied.record.push(guarded(connection, guard, || {
            record::record(connection, item, now)
        })?);
    }
    for item in &batch.finish {
        let finish = || finish::finish(connection, item, now, planted);
        applied.finish.push(guarded(connection, guard, finish)?);
    }
    for item in &batch.accept {
        let accept = || accept::accept(connection, item, now, planted);
        applied.accept.push(guarded(connection, guard, accept)?);
    }
    for item in &batch.attempt {
        applied.attempt.push(guarded(connection, guard, || {
            deliver::attempt(connection, item, now)
        })?);
    }
    for item in &batch.claim {
        applied.claim.push(guarded(connection, guard, || {
            claim::claim(connection, item, now)
        })?);
    }
    for (item, accepted) in batch.accept.iter().zip(&applied.accept) {
        let taken = match (item.offer, accepted) {
            (Some(offer), Ok(Accepted::Queued { conversation, .. })) => {
                claim::take_up(connection, offer, *conversation, now)?
            }
            _ => None,
        };
        applied.taken.push(taken);
    }
    for item in &batch.renew {
        applied.renew.push(guarded(connection, guard, || {
            claim::renew(connection, item)
        })?);
    }
    Ok(applied)
}

/// The inner result is the item's, the outer one the batch's.
fn guarded<T>(
    connection: &Prepared<'_>,
    guard: Guard,
    item: impl FnOnce() -> Result<T>,
) -> Result<Result<T>> {
    if guard == Guard::None {
        return item().map(Ok);
    }
    execute(connection, "SAVEPOINT item")?;
    match item() {
        Ok(done) => {
            execute(connection, "RELEASE item")?;
            Ok(Ok(done))
        }
        Err(error) if is_the_items_fault(&error) => {
            execute(connection, "ROLLBACK TO item")?;
            execute(connection, "RELEASE item")?;
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

fn is_the_items_fault(error: &zupa_core::Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid)
}

fn execute(connection: &Prepared<'_>, sql: &'static str) -> Result<()> {
    connection.run(sql, []).map(drop)
}

/// A planted bug: the outbox rows, written on their own after the commit.
fn outbox_alone(connection: &Prepared<'_>, batch: &Batch, applied: &Applied) -> Result<()> {
    for (item, finished) in batch.finish.iter().zip(&applied.finish) {
        if let (TurnEnd::Commit(commit), Ok(zupa_core::store::Finished::Done { numbers, .. })) =
            (&item.end, finished)
            && let Some(first) = numbers.first()
        {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let place = Place {
                conversation: item.conversation,
                turn: item.turn,
                number: first.0.cast_signed(),
                ordinal: connection.one(
                    "SELECT said FROM turns WHERE id = ?1",
                    [item.turn.as_bytes()],
                    one,
                )?,
                said: false,
                held: false,
            };
            outbox::write(connection, &place, &commit.outbound, batch.now)?;
        }
    }
    Ok(())
}
