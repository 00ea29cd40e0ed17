//! The store behind its deadline. There is no breaker, since there is no other store, and
//! no retry: the writer's callers hand in again what they have not heard of.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::{
    ConversationId, DeadLettersKept, Error, ErrorKind, Message, Outcome, ProcessId, Result, Retry,
    Store, Timestamp,
};

/// What a store does to itself may take long; it is not waited for without end.
pub(super) const UPKEEP: Duration = Duration::from_secs(600);

/// A store behind its deadline.
#[derive(Debug)]
pub(crate) struct GuardedStore {
    inner: Arc<dyn Store>,
    timeout: Duration,
    /// A write whose answer came too late for its caller. It is never dropped, and the
    /// next one waits for it: a store sees one write of a process at a time.
    late: Mutex<Option<JoinHandle<()>>>,
}

impl GuardedStore {
    pub(crate) fn new(inner: Arc<dyn Store>, timeout: Duration) -> Self {
        Self {
            inner,
            timeout,
            late: Mutex::default(),
        }
    }

    async fn within<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        within(self.timeout, what, call).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for GuardedStore {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        upkeep("recover", self.inner.recover(life)).await
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        let until = Instant::now() + self.timeout;
        let not_begun = |_elapsed| late("write", Outcome::NotApplied);
        let mut before = timeout_at(until, self.late.lock())
            .await
            .map_err(not_begun)?;
        if let Some(writing) = before.as_mut() {
            // How it ended was its caller's to know.
            let _ = timeout_at(until, writing).await.map_err(not_begun)?;
            *before = None;
        }
        let inner = self.inner.clone();
        let mut write = Box::pin(async move { inner.write(batch).await });
        match timeout_at(until, &mut write).await {
            Ok(applied) => applied,
            Err(_elapsed) => {
                *before = Some(tokio::spawn(async move {
                    let _ = write.await;
                }));
                Err(late("write", Outcome::Unknown))
            }
        }
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.within("heartbeat", self.inner.heartbeat(life)).await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.within("due", self.inner.due(now, until, limit)).await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        let due = self.inner.due_deliveries(now, doors, limit);
        self.within("due_deliveries", due).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.within("expire", self.inner.expire(now, limit)).await
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        self.within("hasten", self.inner.hasten(now, limit)).await
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        let history = self.inner.history(conversation, limit);
        self.within("history", history).await
    }

    async fn backlog(&self) -> Result<u64> {
        self.within("backlog", self.inner.backlog()).await
    }

    async fn purge(
        &self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> Result<u64> {
        let purge = self.inner.purge(keys_before, raw_before, limit);
        upkeep("purge", purge).await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let forget = self.inner.forget_news(before, limit);
        upkeep("forget_news", forget).await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        let purge = self.inner.purge_failures(before, limit);
        upkeep("purge_failures", purge).await
    }

    async fn checkpoint(&self) -> Result<()> {
        upkeep("checkpoint", self.inner.checkpoint()).await
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        upkeep("close", self.inner.close(process)).await
    }
}

async fn upkeep<T>(what: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    within(UPKEEP, what, call).await
}

/// A call of a store's port, with its deadline.
pub(super) async fn within<T>(
    time: Duration,
    what: &'static str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let answer = timeout(time, call).await;
    answer.unwrap_or_else(|_elapsed| Err(late(what, Outcome::Unknown)))
}

fn late(what: &'static str, outcome: Outcome) -> Error {
    Error::new(ErrorKind::Timeout, "the store did not answer in time")
        .with("call", what)
        .with_retry(Retry::Now)
        .with_outcome(outcome)
}
