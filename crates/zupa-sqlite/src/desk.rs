//! The `Desk` port on SQLite: one consistent read each.

mod conversations;
mod dead_letters;
mod lines;
mod status;
mod turn;
mod waits;

use async_trait::async_trait;
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::desk::{
    Accounting, ConversationView, Decided, Holding, Line, NewHold, Releasing, StoreStatus, TurnView,
};
use zupa_core::{
    Address, ClaimAct, ClaimActed, ConversationId, DeadLetter, DeadLetterAct, DeadLetterActed,
    DeadLetterFilter, DeadLetterId, DeadLetterStats, DeadLetterView, Decision, Desk, Number,
    Result, Timestamp, Wait, WaitId, WaitState,
};

use crate::store::{SYSTEM_STREAM, SqliteStore};

#[async_trait]
impl Desk for SqliteStore {
    async fn turn(&self, id: &str) -> Result<Option<TurnView>> {
        turn::turn(&self.readers, id).await
    }

    async fn accounting(&self) -> Result<Accounting> {
        status::accounting(&self.readers).await
    }

    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>> {
        lines::lines(&self.readers, address, after, limit).await
    }

    async fn audit(&self, conversation: ConversationId) -> Result<Vec<AuditLink>> {
        turn::audit(&self.readers, conversation).await
    }

    async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        SqliteStore::record_act(self, entry).await
    }

    async fn acts(&self) -> Result<Vec<AuditLink>> {
        turn::audit(&self.readers, SYSTEM_STREAM).await
    }

    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>> {
        waits::waits(&self.readers, state, limit).await
    }

    async fn wait(&self, id: WaitId) -> Result<Option<Wait>> {
        waits::wait(&self.readers, id).await
    }

    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided> {
        SqliteStore::decide(self, id, decision, entry).await
    }

    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed> {
        SqliteStore::claim_wait(self, id, act, entry).await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        conversations::one(&self.readers, id).await
    }

    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>> {
        conversations::list(&self.readers, held, before, limit).await
    }

    async fn hold(&self, id: ConversationId, hold: NewHold, entry: AuditEntry) -> Result<Holding> {
        SqliteStore::hold(self, id, hold, entry).await
    }

    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        SqliteStore::release(self, id, answered_until, entry).await
    }

    async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        SqliteStore::end_session(self, id, entry).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        dead_letters::list(&self.readers, filter, after, limit).await
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
        dead_letters::one(&self.readers, id).await
    }

    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        dead_letters::stats(&self.readers).await
    }

    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        SqliteStore::act_on_dead_letter(self, id, act, entry).await
    }

    async fn status(&self) -> Result<StoreStatus> {
        status::status(&self.readers, &self.config, self.serving()).await
    }
}
