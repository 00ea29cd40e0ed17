//! A store that writes recorded steps before the rest of their batch, so that a
//! fault can be put between them. The writer may do so too: a step and its commit
//! share a batch only if they meet.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::{ConversationId, DeadLettersKept, Message, ProcessId, Result, Store, Timestamp};

#[derive(Debug)]
pub struct RecordsFirst(pub Arc<dyn Store>);

#[async_trait]
impl Store for RecordsFirst {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        self.0.recover(life).await
    }

    async fn write(&self, mut batch: Batch) -> Result<Applied> {
        if batch.record.is_empty() || batch.finish.is_empty() {
            return self.0.write(batch).await;
        }
        let record = std::mem::take(&mut batch.record);
        let first = Batch {
            now: batch.now,
            record,
            ..Batch::default()
        };
        let recorded = self.0.write(first).await?.record;
        let rest = self.0.write(batch).await?;
        Ok(Applied {
            record: recorded,
            ..rest
        })
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.0.heartbeat(life).await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.0.due(now, until, limit).await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.0.due_deliveries(now, doors, limit).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.0.expire(now, limit).await
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        self.0.hasten(now, limit).await
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        self.0.history(conversation, limit).await
    }

    async fn backlog(&self) -> Result<u64> {
        self.0.backlog().await
    }

    async fn purge(&self, keys: Timestamp, raw: Timestamp, limit: usize) -> Result<u64> {
        self.0.purge(keys, raw, limit).await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        self.0.forget_news(before, limit).await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        self.0.purge_failures(before, limit).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.0.checkpoint().await
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        self.0.close(process).await
    }
}
