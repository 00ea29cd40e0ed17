//! `MemoryStore`: the ports `Store`, `Desk` and `IdempotencyKeys` in plain Rust over one
//! mutex.
//!
//! The reference: where the words of the ports leave a doubt, this is what they
//! mean. Reading order: `rows`, then the stops `accept`, `claim`, `record`,
//! `finish`, `deliver`, `waits`, `hold`, `receipts`, `person`, then `recover`, `purge`,
//! `dead_letters`, `desk` and `idempotency`.

mod accept;
mod claim;
mod dead_letters;
mod deliver;
mod desk;
mod finish;
mod hold;
mod idempotency;
mod person;
mod planted;
mod purge;
mod receipts;
mod record;
mod recover;
mod rows;
mod waits;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use zupa_core::audit::SYSTEM;
use zupa_core::desk::{
    Accounting, ConversationView, Decided, Holding, Line, NewHold, Releasing, StoreStatus, TurnView,
};
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::{
    Address, AuditEntry, AuditHead, AuditLink, ClaimAct, ClaimActed, ConversationId, DeadLetter,
    DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId, DeadLetterStats,
    DeadLetterView, DeadLettersKept, Decision, Desk, InboundState, Message, Number, ProcessId,
    Result, Store, Timestamp, Wait, WaitId, WaitState,
};

pub use planted::Planted;
use rows::State;

/// A store in memory. Clones share the rows, and keeping one of them is what
/// makes the rows survive a simulated restart: [`Store::recover`] with another
/// process id voids what the process before had claimed.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    /// The process that serves through this clone.
    serving: Mutex<Option<ProcessId>>,
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            serving: Mutex::default(),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store with a defect, to show that a checker finds it.
    pub fn planted(defect: Planted) -> Self {
        let store = Self::new();
        store.lock().planted = Some(defect);
        store
    }

    /// An empty store that several processes serve at once, each through a clone
    /// of its own. A claim holds until its end, and as long as its process shows
    /// signs of life; whoever finds it over judges the death.
    pub fn replicated() -> Self {
        let store = Self::new();
        store.lock().replicated = true;
        store
    }

    fn serving(&self) -> MutexGuard<'_, Option<ProcessId>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // A writer that panicked is a defect of ours; the rows are as it left them.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, batch: Batch) -> Applied {
        let now = batch.now;
        self.now = self.now.max(now);
        let mut applied = Applied::default();
        for settle in batch.settle {
            self.settle(settle, now);
            applied.settle.push(Ok(()));
        }
        for receipt in batch.receipts {
            self.receipt(receipt, now);
        }
        for record in batch.record {
            applied.record.push(self.record(record, now));
        }
        for finish in batch.finish {
            applied.finish.push(Ok(self.finish(finish, now)));
        }
        let mut offers = Vec::with_capacity(batch.accept.len());
        for accept in batch.accept {
            offers.push(accept.offer);
            applied.accept.push(self.accept(accept, now));
        }
        for attempt in batch.attempt {
            applied.attempt.push(Ok(self.attempt(&attempt, now)));
        }
        for claim in batch.claim {
            applied.claim.push(Ok(self.claim(&claim, now)));
        }
        for (offer, accepted) in offers.into_iter().zip(&applied.accept) {
            let taken = offer.and_then(|offer| self.take_up(offer, accepted, now));
            applied.taken.push(taken);
        }
        for renew in batch.renew {
            applied.renew.push(Ok(self.renew(&renew)));
        }
        self.follow_dead_letters(now);
        applied
    }

    fn backlog(&self) -> u64 {
        self.conversations
            .values()
            .flat_map(|conversation| conversation.inbounds.values())
            .filter(|row| matches!(row.state, InboundState::Queued | InboundState::Claimed))
            .count() as u64
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for MemoryStore {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        *self.serving() = Some(life.process);
        Ok(self.lock().recover(life))
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        Ok(self.lock().write(batch))
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.lock().heartbeat(life);
        Ok(())
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        let asking = *self.serving();
        Ok(self.lock().due(asking, now, until, limit))
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        Ok(self.lock().due_deliveries(now, doors, limit))
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.lock().expire(now, limit)
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        Ok(self.lock().hasten(now, limit))
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        Ok(self.lock().history(conversation, limit))
    }

    async fn backlog(&self) -> Result<u64> {
        Ok(self.lock().backlog())
    }

    async fn purge(
        &self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> Result<u64> {
        Ok(self.lock().purge(keys_before, raw_before, limit))
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        Ok(self.lock().forget_news(before, limit))
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        Ok(self.lock().purge_failures(before, limit))
    }

    async fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        self.lock().close(process);
        Ok(())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Desk for MemoryStore {
    async fn turn(&self, id: &str) -> Result<Option<TurnView>> {
        Ok(self.lock().turn_view(id))
    }

    async fn accounting(&self) -> Result<Accounting> {
        Ok(self.lock().accounting())
    }

    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>> {
        Ok(self.lock().lines(address, after, limit))
    }

    async fn audit(&self, conversation: ConversationId) -> Result<Vec<AuditLink>> {
        let state = self.lock();
        let chain = state.conversations.get(&conversation);
        Ok(chain.map(|found| found.audit.clone()).unwrap_or_default())
    }

    async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        let mut state = self.lock();
        let head = state.acts.last().map(|link| AuditHead {
            number: link.number,
            hash: link.hash,
        });
        let link = head.unwrap_or_default().append(SYSTEM, entry, None);
        state.acts.push(link);
        Ok(())
    }

    async fn acts(&self) -> Result<Vec<AuditLink>> {
        Ok(self.lock().acts.clone())
    }

    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>> {
        Ok(self.lock().waits(state, limit))
    }

    async fn wait(&self, id: WaitId) -> Result<Option<Wait>> {
        Ok(self.lock().wait(id))
    }

    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided> {
        self.lock().decide(id, decision, entry)
    }

    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed> {
        Ok(self.lock().claim_wait(id, &act, entry))
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        Ok(self.lock().conversation(id))
    }

    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>> {
        Ok(self.lock().list(held, before, limit))
    }

    async fn hold(&self, id: ConversationId, hold: NewHold, entry: AuditEntry) -> Result<Holding> {
        Ok(self.lock().hold(id, hold, entry))
    }

    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        Ok(self.lock().release(id, answered_until, entry))
    }

    async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        self.lock().end_session(id, entry)
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        self.lock().dead_letters(filter, after, limit)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
        Ok(self.lock().dead_letter(id))
    }

    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        Ok(self.lock().dead_letter_stats())
    }

    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        Ok(self.lock().act_on_dead_letter(id, act, entry))
    }

    async fn status(&self) -> Result<StoreStatus> {
        Ok(self.lock().description())
    }
}
