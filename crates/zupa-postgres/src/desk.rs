//! The `Desk` port on Postgres: one consistent read, or one transaction, each.

mod chain;
mod conversations;
mod dead_letters;
mod hold;
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

    async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        chain::append_to_system(&self.desk, &entry).await
    }

    async fn acts(&self) -> Result<Vec<AuditLink>> {
        turn::audit(&self.desk, chain::SYSTEM_STREAM).await
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

    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed> {
        waits::claim(&self.desk, id, &act, &entry, self.config.flushes()).await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        conversations::one(&self.desk, id).await
    }

    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>> {
        conversations::list(&self.desk, held, before, limit).await
    }

    async fn hold(&self, id: ConversationId, wish: NewHold, entry: AuditEntry) -> Result<Holding> {
        hold::hold(&self.desk, id, &wish, &entry, self.config.flushes()).await
    }

    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        let flush = self.config.flushes();
        hold::release(&self.desk, id, answered_until, &entry, flush).await
    }

    async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        hold::end_session(&self.desk, id, &entry, self.config.flushes()).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        dead_letters::list(&self.desk, filter, after, limit).await
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
        dead_letters::one(&self.desk, id).await
    }

    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        dead_letters::stats(&self.desk).await
    }

    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        dead_letters::act(&self.desk, id, &act, &entry, self.config.flushes()).await
    }

    async fn status(&self) -> Result<StoreStatus> {
        status::status(&self.desk, &self.config).await
    }
}
