//! A desk, and keys, that never answer.

use std::future::pending;

use async_trait::async_trait;
use uuid::Uuid;
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::dead_letter::{
    DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId, DeadLetterStats,
    DeadLetterView,
};
use zupa_core::desk::{
    Accounting, ConversationView, Decided, Holding, Line, NewHold, Releasing, StoreStatus, TurnView,
};
use zupa_core::idempotency::{Begin, Begun, Keep};
use zupa_core::{
    Address, ClaimAct, ClaimActed, ConversationId, Decision, Desk, IdempotencyKey, IdempotencyKeys,
    Number, Result, Timestamp, Wait, WaitId, WaitState,
};

/// Never answers.
#[derive(Debug)]
pub struct Silent;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Desk for Silent {
    async fn turn(&self, _: &str) -> Result<Option<TurnView>> {
        pending().await
    }
    async fn accounting(&self) -> Result<Accounting> {
        pending().await
    }
    async fn lines(&self, _: &Address, _: Number, _: usize) -> Result<Vec<Line>> {
        pending().await
    }
    async fn audit(&self, _: ConversationId) -> Result<Vec<AuditLink>> {
        pending().await
    }
    async fn record_act(&self, _: AuditEntry) -> Result<()> {
        pending().await
    }
    async fn acts(&self) -> Result<Vec<AuditLink>> {
        pending().await
    }
    async fn waits(&self, _: Option<WaitState>, _: usize) -> Result<Vec<Wait>> {
        pending().await
    }
    async fn wait(&self, _: WaitId) -> Result<Option<Wait>> {
        pending().await
    }
    async fn decide(&self, _: WaitId, _: Decision, _: AuditEntry) -> Result<Decided> {
        pending().await
    }
    async fn claim_wait(&self, _: WaitId, _: ClaimAct, _: AuditEntry) -> Result<ClaimActed> {
        pending().await
    }
    async fn conversation(&self, _: ConversationId) -> Result<Option<ConversationView>> {
        pending().await
    }
    async fn conversations(
        &self,
        _: bool,
        _: Option<ConversationId>,
        _: usize,
    ) -> Result<Vec<ConversationView>> {
        pending().await
    }
    async fn hold(&self, _: ConversationId, _: NewHold, _: AuditEntry) -> Result<Holding> {
        pending().await
    }
    async fn release(
        &self,
        _: ConversationId,
        _: Option<Timestamp>,
        _: AuditEntry,
    ) -> Result<Releasing> {
        pending().await
    }
    async fn end_session(&self, _: ConversationId, _: AuditEntry) -> Result<Option<Timestamp>> {
        pending().await
    }
    async fn dead_letters(
        &self,
        _: &DeadLetterFilter,
        _: Option<DeadLetterId>,
        _: usize,
    ) -> Result<Vec<DeadLetter>> {
        pending().await
    }
    async fn dead_letter(&self, _: DeadLetterId) -> Result<Option<DeadLetterView>> {
        pending().await
    }
    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        pending().await
    }
    async fn act_on_dead_letter(
        &self,
        _: DeadLetterId,
        _: DeadLetterAct,
        _: AuditEntry,
    ) -> Result<DeadLetterActed> {
        pending().await
    }
    async fn status(&self) -> Result<StoreStatus> {
        pending().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl IdempotencyKeys for Silent {
    async fn begin(&self, _: Begin) -> Result<Begun> {
        pending().await
    }
    async fn keep(&self, _: Keep) -> Result<bool> {
        pending().await
    }
    async fn free(&self, _: IdempotencyKey, _: Uuid) -> Result<()> {
        pending().await
    }
    async fn forget(&self, _: Timestamp, _: usize) -> Result<u64> {
        pending().await
    }
}
