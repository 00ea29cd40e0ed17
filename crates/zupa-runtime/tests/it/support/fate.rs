//! When a process dies: at the n-th point that it passes, counted over every port.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::{ConversationId, DeadLettersKept, Message, ProcessId, Result, Store, Timestamp};

/// The points that a process has passed, and the one that it does not survive. Every
/// call of a port has two: before it and after it.
#[derive(Debug, Clone, Default)]
pub struct Fate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    dead: watch::Sender<bool>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            dead: watch::Sender::new(false),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    passed: u64,
    fatal: Option<u64>,
    died_at: Option<String>,
}

impl Fate {
    /// A process that dies at this point, from 1.
    pub fn at(point: u64) -> Self {
        let fate = Self::default();
        fate.lock().fatal = Some(point);
        fate
    }

    /// Passes a point, or never does.
    pub async fn pass(&self, point: &str) {
        let dies = {
            let mut state = self.lock();
            state.passed += 1;
            let dies = state.fatal == Some(state.passed);
            if dies {
                state.died_at = Some(point.to_owned());
                self.0.dead.send_replace(true);
            }
            dies || *self.0.dead.borrow()
        };
        if dies {
            std::future::pending::<()>().await;
        }
    }

    /// Makes a call between two points.
    pub async fn around<T>(&self, name: &str, call: impl Future<Output = T>) -> T {
        self.pass(&format!("before {name}")).await;
        let answer = call.await;
        self.pass(&format!("after {name}")).await;
        answer
    }

    /// Waits for the death. Cancel safe.
    pub async fn died(&self) {
        let mut dead = self.0.dead.subscribe();
        let _ = dead.wait_for(|dead| *dead).await;
    }

    /// Where it died.
    pub fn died_at(&self) -> Option<String> {
        self.lock().died_at.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store whose every call is between two points.
#[derive(Debug)]
pub struct FatedStore {
    pub inner: Arc<dyn Store>,
    pub fate: Fate,
}

#[async_trait]
impl Store for FatedStore {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        self.fate.around("recover", self.inner.recover(life)).await
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        let name = describe(&batch);
        self.fate.around(&name, self.inner.write(batch)).await
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
        let read = self.inner.history(conversation, limit);
        self.fate.around("history", read).await
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
        self.fate.around("close", self.inner.close(process)).await
    }
}

/// What a batch is, for the matrix.
fn describe(batch: &Batch) -> String {
    let intents = batch
        .record
        .iter()
        .filter(|item| item.step.is_intent())
        .count();
    let parts = [
        ("settle", batch.settle.len()),
        ("intent", intents),
        ("result", batch.record.len() - intents),
        ("commit", batch.finish.len()),
        ("accept", batch.accept.len()),
        ("attempt", batch.attempt.len()),
        ("claim", batch.claim.len()),
        ("renew", batch.renew.len()),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name}×{count}"))
        .collect();
    format!("write {}", parts.join(" "))
}
