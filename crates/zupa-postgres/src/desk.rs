//! The `Desk` port on Postgres: one consistent read each.

mod lines;
mod status;
mod turn;

use async_trait::async_trait;
use zupa_core::audit::AuditLink;
use zupa_core::desk::{Accounting, Line, StoreStatus, TurnView};
use zupa_core::{Address, ConversationId, Desk, Number, Result};

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

    async fn status(&self) -> Result<StoreStatus> {
        status::status(&self.desk, &self.config).await
    }
}
