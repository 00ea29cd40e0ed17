//! The desk behind its deadline: neither an operator nor a chore waits for a store that
//! does not answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::dead_letter::{
    DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId, DeadLetterStats,
    DeadLetterView,
};
use zupa_core::desk::{
    Accounting, ConversationView, Decided, Holding, Line, NewHold, Releasing, StoreStatus, TurnView,
};
use zupa_core::{
    Address, ClaimAct, ClaimActed, ConversationId, Decision, Desk, Number, Result, Timestamp, Wait,
    WaitId, WaitState,
};

use super::store::{UPKEEP, within};

/// A desk whose calls end in time. An act that was too late may have been done: each
/// method of [`Desk`] says what that means.
#[derive(Debug)]
pub struct GuardedDesk {
    inner: Arc<dyn Desk>,
    timeout: Duration,
}

impl GuardedDesk {
    /// A call may take so long. To count all messages may take longer, ten minutes.
    pub fn new(inner: Arc<dyn Desk>, timeout: Duration) -> Self {
        Self { inner, timeout }
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
impl Desk for GuardedDesk {
    async fn turn(&self, id: &str) -> Result<Option<TurnView>> {
        self.within("turn", self.inner.turn(id)).await
    }

    async fn accounting(&self) -> Result<Accounting> {
        within(UPKEEP, "accounting", self.inner.accounting()).await
    }

    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>> {
        self.within("lines", self.inner.lines(address, after, limit))
            .await
    }

    async fn audit(&self, conversation: ConversationId) -> Result<Vec<AuditLink>> {
        self.within("audit", self.inner.audit(conversation)).await
    }

    async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        self.within("record_act", self.inner.record_act(entry))
            .await
    }

    async fn acts(&self) -> Result<Vec<AuditLink>> {
        self.within("acts", self.inner.acts()).await
    }

    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>> {
        self.within("waits", self.inner.waits(state, limit)).await
    }

    async fn wait(&self, id: WaitId) -> Result<Option<Wait>> {
        self.within("wait", self.inner.wait(id)).await
    }

    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided> {
        self.within("decide", self.inner.decide(id, decision, entry))
            .await
    }

    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed> {
        self.within("claim_wait", self.inner.claim_wait(id, act, entry))
            .await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        self.within("conversation", self.inner.conversation(id))
            .await
    }

    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>> {
        self.within(
            "conversations",
            self.inner.conversations(held, before, limit),
        )
        .await
    }

    async fn hold(&self, id: ConversationId, hold: NewHold, entry: AuditEntry) -> Result<Holding> {
        self.within("hold", self.inner.hold(id, hold, entry)).await
    }

    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        self.within("release", self.inner.release(id, answered_until, entry))
            .await
    }

    async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        self.within("end_session", self.inner.end_session(id, entry))
            .await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        self.within(
            "dead_letters",
            self.inner.dead_letters(filter, after, limit),
        )
        .await
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
        self.within("dead_letter", self.inner.dead_letter(id)).await
    }

    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        self.within("dead_letter_stats", self.inner.dead_letter_stats())
            .await
    }

    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        self.within(
            "act_on_dead_letter",
            self.inner.act_on_dead_letter(id, act, entry),
        )
        .await
    }

    async fn status(&self) -> Result<StoreStatus> {
        self.within("status", self.inner.status()).await
    }
}
