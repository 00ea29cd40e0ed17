//! The answers to a batch, gathered from the rows that its statements return.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use zupa_core::store::{
    Accepted, Applied, Attempted, Batch, ClaimOutcome, Finished, Recorded, TurnEnd,
};
use zupa_core::{Error, Result};

use super::{accept, claim, decode, deliver, finish, record};

/// The answers as they come in, place by place.
pub(super) struct Answers {
    pub record: Vec<Option<Result<Recorded>>>,
    pub finish: Vec<Option<Result<Finished>>>,
    pub accept: Vec<Option<Result<Accepted>>>,
    pub attempt: Vec<Option<Result<Attempted>>>,
    pub claim: Vec<Option<Result<ClaimOutcome>>>,
}

impl Answers {
    pub(super) fn for_batch(batch: &Batch) -> Self {
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

    pub(super) fn read(&mut self, row: &SqliteRow, batch: &Batch) -> Result<()> {
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
                    Some(TurnEnd::Commit(commit)) => commit.outbound.len() as u64,
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
    pub(super) fn into_applied(self) -> Applied {
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
