//! A store whose rows somebody meddles with on their way, and that remembers what was
//! committed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::store::{
    Applied, Batch, ClaimOutcome, ClaimedTurn, Commit, Delivery, Due, Life, OpenDoors, Recorded,
    Recovery, TurnEnd,
};
use zupa_core::{
    Content, ConversationId, DeadLettersKept, Message, ProcessId, Result, Store, Timestamp,
};

use super::held_up::HeldUp;

/// What is done to it.
#[derive(Debug)]
pub enum Meddle {
    /// The next intent is refused, as if another process had the claim.
    RefuseIntent,
    /// The process is stopped for so long when its next intent is written.
    StopAtIntent(HeldUp, Duration),
    /// A parked turn is claimed with another word in what it left.
    Reword(&'static str, &'static str),
    /// Wakes are claimed as accepted so much earlier: as Postgres tells it to a process
    /// whose clock is behind that of the one before, or whose call took longer.
    Behind(Duration),
}

/// A store that is meddled with.
#[derive(Debug)]
pub struct Meddler {
    inner: Arc<dyn Store>,
    meddle: Mutex<Option<Meddle>>,
    commits: Mutex<Vec<Commit>>,
}

impl Meddler {
    /// In front of this store. Does nothing yet.
    pub fn new(inner: impl Store) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(inner),
            meddle: Mutex::default(),
            commits: Mutex::default(),
        })
    }

    /// Does this from now on.
    pub fn meddle(&self, meddle: Meddle) {
        *lock(&self.meddle) = Some(meddle);
    }

    /// Every commit that was handed in, in order.
    pub fn commits(&self) -> Vec<Commit> {
        lock(&self.commits).clone()
    }

    /// Takes the next intent out of the batch, if it is to be refused: its place.
    fn refused(&self, batch: &mut Batch) -> Option<usize> {
        let mut meddle = lock(&self.meddle);
        if !matches!(*meddle, Some(Meddle::RefuseIntent)) {
            return None;
        }
        let place = intent(batch)?;
        batch.record.remove(place);
        *meddle = None;
        Some(place)
    }

    /// Stops the process, if it is to be stopped at this batch.
    fn stop(&self, has_intent: bool) {
        let mut meddle = lock(&self.meddle);
        match meddle.take() {
            Some(Meddle::StopAtIntent(process, time)) if has_intent => process.stop(time),
            other => *meddle = other,
        }
    }

    fn behind(&self, applied: &mut Applied) {
        let Some(Meddle::Behind(time)) = *lock(&self.meddle) else {
            return;
        };
        for claim in &mut applied.claim {
            if let Ok(ClaimOutcome::Taken(turn)) = claim {
                let wakes = turn.inbounds.iter_mut();
                for wake in wakes.filter(|inbound| matches!(inbound.content, Content::Wake { .. }))
                {
                    wake.accepted_at = wake.accepted_at.minus(time);
                }
            }
        }
    }

    fn reword(&self, applied: &mut Applied) {
        let Some(Meddle::Reword(from, to)) = *lock(&self.meddle) else {
            return;
        };
        let claimed = applied.claim.iter_mut().filter_map(|claim| match claim {
            Ok(ClaimOutcome::Taken(turn)) => Some(turn),
            _ => None,
        });
        let taken = applied.taken.iter_mut().flatten();
        let waits = claimed.chain(taken).flat_map(|turn| waits_of(turn));
        for wait in waits {
            wait.opened.payload = wait.opened.payload.replace(from, to);
        }
    }
}

fn waits_of(turn: &mut ClaimedTurn) -> &mut [zupa_core::Wait] {
    &mut turn.waits
}

fn intent(batch: &Batch) -> Option<usize> {
    batch
        .record
        .iter()
        .position(|record| record.step.is_intent())
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for Meddler {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        self.inner.recover(life).await
    }

    async fn write(&self, mut batch: Batch) -> Result<Applied> {
        let commits = batch.finish.iter().filter_map(|finish| match &finish.end {
            TurnEnd::Commit(commit) => Some(commit.clone()),
            _ => None,
        });
        lock(&self.commits).extend(commits);
        let refused = self.refused(&mut batch);
        let has_intent = intent(&batch).is_some();
        let mut applied = self.inner.write(batch).await?;
        if let Some(place) = refused {
            applied.record.insert(place, Ok(Recorded::Stale));
        }
        self.stop(has_intent);
        self.reword(&mut applied);
        self.behind(&mut applied);
        Ok(applied)
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.inner.heartbeat(life).await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.inner.due(now, until, limit).await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.inner.due_deliveries(now, doors, limit).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.inner.expire(now, limit).await
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        self.inner.hasten(now, limit).await
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        self.inner.history(conversation, limit).await
    }

    async fn backlog(&self) -> Result<u64> {
        self.inner.backlog().await
    }

    async fn purge(&self, keys: Timestamp, raw: Timestamp, limit: usize) -> Result<u64> {
        self.inner.purge(keys, raw, limit).await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        self.inner.forget_news(before, limit).await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        self.inner.purge_failures(before, limit).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.inner.checkpoint().await
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        self.inner.close(process).await
    }
}
