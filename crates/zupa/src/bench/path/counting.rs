//! A store that counts its transactions and how long they took.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::{ConversationId, DeadLettersKept, Message, ProcessId, Result, Store, Timestamp};

use super::super::clock;
use super::super::meter::Writes;

/// Forwards everything.
#[derive(Debug)]
pub(super) struct Counting {
    store: Arc<dyn Store>,
    writes: Arc<Writes>,
}

impl Counting {
    pub(super) fn new(store: Arc<dyn Store>, writes: Arc<Writes>) -> Self {
        Self { store, writes }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Counting {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        self.store.recover(life).await
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        let (items, began) = (batch.len(), clock::now());
        let applied = self.store.write(batch).await;
        self.writes.note(items, began.elapsed());
        applied
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.store.heartbeat(life).await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.store.due(now, until, limit).await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.store.due_deliveries(now, doors, limit).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.store.expire(now, limit).await
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        self.store.hasten(now, limit).await
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        self.store.history(conversation, limit).await
    }

    async fn backlog(&self) -> Result<u64> {
        self.store.backlog().await
    }

    async fn purge(
        &self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> Result<u64> {
        self.store.purge(keys_before, raw_before, limit).await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        self.store.forget_news(before, limit).await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        self.store.purge_failures(before, limit).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.store.checkpoint().await
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        self.store.close(process).await
    }
}
