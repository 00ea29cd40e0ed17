//! What a run has recorded, as far as the writer has not answered yet.
//!
//! Nothing waits for these answers: the commit goes through the same writer
//! behind them, under the same fence. Only when a batch got lost they are asked
//! for, so that a result that was paid for is handed in again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use zupa_core::store::{Record, Recorded};

use crate::writer::{Pending, Writer};

/// The recorded steps of one run.
#[derive(Default)]
pub(crate) struct Journal(Mutex<Vec<Entry>>);

struct Entry {
    record: Record,
    /// None: it is known to be lost.
    answer: Option<Pending<Recorded>>,
}

impl Journal {
    /// Hands a result to the writer.
    pub(crate) async fn hand_in(&self, writer: &Writer, record: Record) {
        let answer = Some(writer.record(record.clone()).await);
        self.lock().push(Entry { record, answer });
    }

    /// Hands a result to the writer and waits for the answer. True when it is
    /// written.
    pub(crate) async fn write(&self, writer: &Writer, record: Record) -> bool {
        match writer.record(record.clone()).await.answer().await {
            Ok(recorded) => recorded == Recorded::Written,
            Err(_lost) => {
                let answer = None;
                self.lock().push(Entry { record, answer });
                false
            }
        }
    }

    /// Hands in again what was lost with its batch. Whatever was handed to the
    /// writer in front of an answered job is answered, so this waits for nothing.
    pub(crate) async fn hand_in_again(&self, writer: &Writer) {
        for Entry { record, answer } in self.taken() {
            let lost = match answer {
                Some(answer) => answer.answer().await.is_err(),
                None => true,
            };
            if lost {
                self.hand_in(writer, record).await;
            }
        }
    }

    /// Waits for all answers and hands in again what was lost. True when everything is
    /// written.
    pub(crate) async fn is_written(&self, writer: &Writer) -> bool {
        let mut written = true;
        for Entry { record, answer } in self.taken() {
            let answer = match answer {
                Some(answer) => answer.answer().await,
                None => Err(zupa_core::Error::internal("it was lost before")),
            };
            if answer.is_err() {
                written = false;
                self.hand_in(writer, record).await;
            }
        }
        written
    }

    /// How many were refused because the claim was lost. Waits for nothing, as
    /// above.
    pub(crate) async fn refused(&self) -> u64 {
        let mut refused = 0;
        for answer in self.taken().into_iter().filter_map(|entry| entry.answer) {
            refused += u64::from(matches!(answer.answer().await, Ok(Recorded::Stale)));
        }
        refused
    }

    fn taken(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
