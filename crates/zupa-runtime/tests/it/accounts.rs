//! A message that is in no state is told of once, within ten minutes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::bus::names;
use zupa_core::dead_letter::{
    DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId, DeadLetterStats,
    DeadLetterView,
};
use zupa_core::desk::{
    Accounting, ConversationView, Decided, Holding, Line, NewHold, Releasing, StoreStatus, TurnView,
};
use zupa_core::{
    Address, ClaimAct, ClaimActed, ConversationId, Decision, Desk, EventBus, Number, Result,
    Timestamp, Wait, WaitId, WaitState,
};
use zupa_testkit::MemoryStore;

use crate::support::{Setup, pass, secs};

/// A store that has lost as many messages as it is told, and counts who asks.
#[derive(Debug)]
struct Lossy {
    inner: MemoryStore,
    lost: AtomicU64,
    asked: AtomicU64,
}

impl Lossy {
    fn over(inner: MemoryStore) -> Arc<Self> {
        Arc::new(Self {
            inner,
            lost: AtomicU64::default(),
            asked: AtomicU64::default(),
        })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Desk for Lossy {
    async fn accounting(&self) -> Result<Accounting> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut counts = self.inner.accounting().await?;
        counts.accepted += self.lost.load(Ordering::SeqCst);
        Ok(counts)
    }

    async fn turn(&self, id: &str) -> Result<Option<TurnView>> {
        self.inner.turn(id).await
    }
    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>> {
        self.inner.lines(address, after, limit).await
    }
    async fn audit(&self, conversation: ConversationId) -> Result<Vec<AuditLink>> {
        self.inner.audit(conversation).await
    }
    async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        self.inner.record_act(entry).await
    }
    async fn acts(&self) -> Result<Vec<AuditLink>> {
        self.inner.acts().await
    }
    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>> {
        self.inner.waits(state, limit).await
    }
    async fn wait(&self, id: WaitId) -> Result<Option<Wait>> {
        self.inner.wait(id).await
    }
    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided> {
        self.inner.decide(id, decision, entry).await
    }
    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed> {
        self.inner.claim_wait(id, act, entry).await
    }
    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        self.inner.conversation(id).await
    }
    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>> {
        self.inner.conversations(held, before, limit).await
    }
    async fn hold(&self, id: ConversationId, hold: NewHold, entry: AuditEntry) -> Result<Holding> {
        self.inner.hold(id, hold, entry).await
    }
    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        self.inner.release(id, answered_until, entry).await
    }
    async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        self.inner.end_session(id, entry).await
    }
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        self.inner.dead_letters(filter, after, limit).await
    }
    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
        self.inner.dead_letter(id).await
    }
    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        self.inner.dead_letter_stats().await
    }
    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        self.inner.act_on_dead_letter(id, act, entry).await
    }
    async fn status(&self) -> Result<StoreStatus> {
        self.inner.status().await
    }
}

/// Keeps what `missing` was in each error.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<i64>>>);

impl Errors {
    fn told(&self) -> Vec<i64> {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Errors {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "missing" {
            self.0.lock().unwrap().push(value);
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_drift_is_told_once_and_another_one_again() {
    const ROUND: Duration = Duration::from_secs(11 * 60);
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
    let setup = Setup::web();
    let desk = Lossy::over(setup.memory.clone());
    let bus = EventBus::default();
    let mut drifts = bus.feed("accounting:*").unwrap();
    let mut world = setup
        .start_with(|builder| builder.desk(desk.clone()).bus(bus))
        .await;
    pass(Duration::from_secs(9 * 60)).await;
    assert_eq!(
        desk.asked.load(Ordering::SeqCst),
        0,
        "the start costs nothing"
    );
    pass(ROUND).await;
    assert_eq!(errors.told(), [0; 0]);
    desk.lost.store(1, Ordering::SeqCst);
    pass(ROUND).await;
    assert_eq!(errors.told(), [1]);
    pass(5 * ROUND).await;
    assert_eq!(errors.told(), [1], "the same drift");
    desk.lost.store(3, Ordering::SeqCst);
    pass(ROUND).await;
    assert_eq!(errors.told(), [1, 3]);
    let asked = desk.asked.load(Ordering::SeqCst);
    assert!(
        (7..=11).contains(&asked),
        "{asked} counts in some 97 minutes"
    );
    desk.lost.store(0, Ordering::SeqCst);
    pass(2 * ROUND).await;
    world.shutdown(secs(10)).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = drifts.next().await {
        assert_eq!(event.name, names::ACCOUNTING_DRIFTED);
        told.push(event.payload.number("inbounds").unwrap());
    }
    let all = told.len();
    told.dedup();
    assert_eq!(told, [1, 3, 0], "and each time that is looked");
    assert!((7..=10).contains(&all), "{all}");
}
