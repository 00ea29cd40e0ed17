//! The `Desk` port on Postgres: one consistent read each.

mod lines;
mod status;
mod turn;
mod waits;

use async_trait::async_trait;
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::desk::{Accounting, Decided, Line, StoreStatus, TurnView};
use zupa_core::{Address, ConversationId, Decision, Desk, Number, Result, Wait, WaitId, WaitState};

use crate::store::PostgresStore;

#[async_trait]
impl Desk for PostgresStore {
    async fn turn(&self, id: &str) -> Result<Option<TurnView>> {
        turn::turn(&self.desk, id).await
    }

    async fn accounting(&self) -> Result<Accounting> {
        status::accounting(&self.desk).await
    }

    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>> {
        lines::lines(&self.desk, address, after, limit).await
    }

    async fn audit(&self, conversation: ConversationId) -> Result<Vec<AuditLink>> {
        turn::audit(&self.desk, conversation).await
    }

    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>> {
        waits::waits(&self.desk, state, limit).await
    }

    async fn wait(&self, id: WaitId) -> Result<Option<Wait>> {
        waits::wait(&self.desk, id).await
    }

    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided> {
        waits::decide(&self.desk, id, &decision, &entry, self.config.flushes()).await
    }

    async fn status(&self) -> Result<StoreStatus> {
        status::status(&self.desk, &self.config).await
    }
}
