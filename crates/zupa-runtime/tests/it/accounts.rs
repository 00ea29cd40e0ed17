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
    Address, ConversationId, Decision, Desk, EventBus, Number, Result, Timestamp, Wait, WaitId,
    WaitState,
};

use crate::support::{Setup, pass, secs};

/// Has lost as many messages as it is told.
#[derive(Debug, Default)]
struct Lossy {
    lost: AtomicU64,
    asked: AtomicU64,
}

#[async_trait]
impl Desk for Lossy {
    async fn accounting(&self) -> Result<Accounting> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(Accounting {
            accepted: self.lost.load(Ordering::SeqCst),
            ..Accounting::default()
        })
    }

    async fn turn(&self, _: &str) -> Result<Option<TurnView>> {
        unimplemented!()
    }
    async fn lines(&self, _: &Address, _: Number, _: usize) -> Result<Vec<Line>> {
        unimplemented!()
    }
    async fn audit(&self, _: ConversationId) -> Result<Vec<AuditLink>> {
        unimplemented!()
    }
    async fn record_act(&self, _: AuditEntry) -> Result<()> {
        unimplemented!()
    }
    async fn acts(&self) -> Result<Vec<AuditLink>> {
        unimplemented!()
    }
    async fn waits(&self, _: Option<WaitState>, _: usize) -> Result<Vec<Wait>> {
        unimplemented!()
    }
    async fn wait(&self, _: WaitId) -> Result<Option<Wait>> {
        unimplemented!()
    }
    async fn decide(&self, _: WaitId, _: Decision, _: AuditEntry) -> Result<Decided> {
        unimplemented!()
    }
    async fn conversation(&self, _: ConversationId) -> Result<Option<ConversationView>> {
        unimplemented!()
    }
    async fn conversations(
        &self,
        _: bool,
        _: Option<ConversationId>,
        _: usize,
    ) -> Result<Vec<ConversationView>> {
        unimplemented!()
    }
    async fn hold(&self, _: ConversationId, _: NewHold, _: AuditEntry) -> Result<Holding> {
        unimplemented!()
    }
    async fn release(
        &self,
        _: ConversationId,
        _: Option<Timestamp>,
        _: AuditEntry,
    ) -> Result<Releasing> {
        unimplemented!()
    }
    async fn end_session(&self, _: ConversationId, _: AuditEntry) -> Result<Option<Timestamp>> {
        unimplemented!()
    }
    async fn status(&self) -> Result<StoreStatus> {
        unimplemented!()
    }
    async fn dead_letters(
        &self,
        _: &DeadLetterFilter,
        _: Option<DeadLetterId>,
        _: usize,
    ) -> Result<Vec<DeadLetter>> {
        Ok(Vec::new())
    }
    async fn dead_letter(&self, _: DeadLetterId) -> Result<Option<DeadLetterView>> {
        unimplemented!()
    }
    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        unimplemented!()
    }
    async fn act_on_dead_letter(
        &self,
        _: DeadLetterId,
        _: DeadLetterAct,
        _: AuditEntry,
    ) -> Result<DeadLetterActed> {
        unimplemented!()
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
    let desk = Arc::new(Lossy::default());
    let bus = EventBus::default();
    let mut drifts = bus.feed("accounting:*").unwrap();
    let mut world = Setup::web()
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
