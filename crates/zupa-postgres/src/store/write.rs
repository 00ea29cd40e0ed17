//! One batch, one call; divided only when an item of it is refused or stuck.

use serde::Deserialize;
use zupa_core::store::{Applied, Batch, ClaimOutcome, ClaimedTurn, Recorded, Renewed};
use zupa_core::{Error, ErrorKind, Outcome, Result, Timestamp};

use super::encode::Call;
use super::halve;
use super::writer::Writer;
use super::{accept, claim, deliver, encode, finish, life};
use crate::error::{is_contention, is_lock_timeout, is_the_items_fault};
use crate::session::Sessions;

/// How often a batch that lost a deadlock is tried.
const TRIES: u32 = 3;

/// Applies a batch. Items whose rows somebody else keeps locked are put aside and
/// refused for now; if an item is at fault, each half is applied on its own, so
/// that in the end the bad one fails alone.
pub(super) async fn write(writer: &Writer, pool: &Sessions, batch: Batch) -> Result<Applied> {
    let mut applied = Applied::default();
    // The parts still to do, the next one last.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let call = encode::call(&part);
        let too_long = call.as_ref().is_ok_and(|call| writer.is_too_long(call));
        if too_long && part.len() > 1 {
            let (first, second) = halve::halve(part);
            parts.extend([second, first]);
            continue;
        }
        let done = match apply(writer, pool, &part, call).await {
            Err(error) if is_contention(&error) => {
                without_the_stuck(writer, pool, part, error).await?
            }
            Err(error) if is_the_items_fault(&error) && part.len() > 1 => {
                let (first, second) = halve::halve(part);
                parts.extend([second, first]);
                continue;
            }
            Err(error) if is_the_items_fault(&error) => {
                tracing::warn!(%error, "an item of a batch was refused");
                halve::refused(&part, &error)
            }
            done => done?,
        };
        halve::join(&mut applied, done);
    }
    Ok(applied)
}

/// Applies what can be applied beside rows that somebody keeps locked.
async fn without_the_stuck(
    writer: &Writer,
    pool: &Sessions,
    mut batch: Batch,
    mut error: Error,
) -> Result<Applied> {
    for _ in 0..TRIES {
        if is_lock_timeout(&error)
            && let Some(stuck) = writer.stuck(&encode::call(&batch)?).await?
        {
            let (free, held, places) = halve::part(batch, &stuck);
            if held.is_empty() {
                // News alone is about what is held, and it is found by halving.
                batch = free;
                break;
            }
            let refused = refuse(&held, &error)?;
            // What is free may meet another row that is not; each time there is less left.
            let done = Box::pin(write(writer, pool, free)).await?;
            return Ok(halve::weave(places, done, refused));
        }
        // A deadlock, or whoever had it has let go.
        match apply(writer, pool, &batch, encode::call(&batch)).await {
            Err(again) if is_contention(&again) => error = again,
            done => return done,
        }
    }
    if batch.len() == 1 {
        return refuse(&batch, &error);
    }
    // Something else than a conversation's row is held: a new name, perhaps. It is
    // found by halving.
    let (first, second) = halve::halve(batch);
    let mut applied = Box::pin(write(writer, pool, first)).await?;
    halve::join(&mut applied, Box::pin(write(writer, pool, second)).await?);
    Ok(applied)
}

/// For now: somebody holds what these items need. News has no answer in which to
/// say so.
fn refuse(batch: &Batch, error: &Error) -> Result<Applied> {
    if !batch.receipts.is_empty() {
        return Err(error.clone());
    }
    tracing::warn!(%error, items = batch.len(), "rows are held by somebody else");
    Ok(halve::refused(batch, error))
}

/// What `zupa.write` answers.
#[derive(Deserialize)]
struct Answers {
    record: Option<Vec<bool>>,
    finish: Option<Vec<finish::Answer>>,
    accept: Option<Vec<accept::Answer>>,
    attempt: Option<Vec<deliver::Answer>>,
    claim: Option<Vec<claim::Answer>>,
    taken: Option<Vec<Option<claim::Taken>>>,
    renew: Option<Vec<bool>>,
}

async fn apply(
    writer: &Writer,
    pool: &Sessions,
    batch: &Batch,
    call: Result<Call>,
) -> Result<Applied> {
    let said = writer.call(&call?).await?;
    let answers: Answers = serde_json::from_str(&said).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "the store's answer cannot be read")
            .with_outcome(Outcome::Applied)
            .with_source(source)
    })?;
    let mut claims = Vec::with_capacity(batch.claim.len());
    for answer in answers.claim.into_iter().flatten() {
        claims.push(claimed(pool, answer, batch.now).await);
    }
    Ok(Applied {
        settle: batch.settle.iter().map(|_| Ok(())).collect(),
        record: each(answers.record, |written| match written {
            true => Recorded::Written,
            false => Recorded::Stale,
        }),
        finish: each(answers.finish, Into::into),
        accept: each(answers.accept, Into::into),
        taken: answers.taken.into_iter().flatten().map(taken).collect(),
        attempt: each(answers.attempt, Into::into),
        claim: claims,
        renew: each(answers.renew, |held| match held {
            true => Renewed::Held,
            false => Renewed::Lost,
        }),
    })
}

fn each<A, T>(answers: Option<Vec<A>>, read: impl Fn(A) -> T) -> Vec<Result<T>> {
    answers.into_iter().flatten().map(read).map(Ok).collect()
}

/// An offer whose turn cannot be read is left to expire; others may have better
/// luck with it.
fn taken(taken: Option<claim::Taken>) -> Option<Box<ClaimedTurn>> {
    match claim::turn(taken?) {
        Ok(turn) => Some(turn),
        Err(error) => {
            tracing::error!(%error, "a turn that was taken cannot be read");
            None
        }
    }
}

/// A verdict is written on its own, because its entry in the audit is chained
/// here; whoever asked may ask again at once.
async fn claimed(pool: &Sessions, answer: claim::Answer, now: Timestamp) -> Result<ClaimOutcome> {
    match claim::outcome(answer)? {
        Ok(outcome) => Ok(outcome),
        Err(verdict) => {
            life::bury(pool, &verdict, now).await?;
            Ok(ClaimOutcome::NotYet(now))
        }
    }
}
