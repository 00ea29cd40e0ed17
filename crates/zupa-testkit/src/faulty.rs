//! `FaultyStore`: a store that fails, hangs or takes the process down at a call
//! of your choice.

mod plan;

use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::{ConversationId, DeadLettersKept, Message, ProcessId, Result, Store, Timestamp};

use plan::Plan;
pub use plan::{Call, Fault};

/// A store with planned faults. It forwards everything else.
///
/// A crash is a process that is gone: the call never returns, nor does any
/// other, those on their way included. Whoever tests it waits for
/// [`Self::crashed`], throws the process's tasks away and starts anew over the
/// same inner store.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Mutex<Plan>,
    gone: watch::Sender<bool>,
}

impl FaultyStore {
    /// A store that behaves, until a fault is planned.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
            gone: watch::Sender::new(false),
        }
    }

    /// Plans a fault for the `nth` call from now on, counted from 1 over all
    /// methods.
    pub fn at(&self, nth: u64, fault: Fault) {
        self.plan().once(None, nth, fault);
    }

    /// Plans a fault for the `nth` call of one method from now on.
    pub fn at_call_of(&self, call: Call, nth: u64, fault: Fault) {
        self.plan().once(Some(call), nth, fault);
    }

    /// Plans a fault for every call of one method, until [`Self::heal`].
    pub fn always(&self, call: Call, fault: Fault) {
        self.plan().always(call, fault);
    }

    /// Takes all planned faults back. A crash is not healed.
    pub fn heal(&self) {
        self.plan().heal();
    }

    /// How many calls were made so far, over all methods.
    pub fn calls(&self) -> u64 {
        self.plan().calls(None)
    }

    /// How many calls of one method were made so far.
    pub fn calls_of(&self, call: Call) -> u64 {
        self.plan().calls(Some(call))
    }

    /// Waits for the crash. Cancel safe.
    pub async fn crashed(&self) {
        let mut gone = self.gone.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = gone.wait_for(|gone| *gone).await;
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn through<T: Send>(
        &self,
        call: Call,
        forward: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.still_alive().await;
        let fault = self.plan().next(call);
        let answer = match fault {
            None => forward.await,
            Some(Fault::Fail(error)) => Err(error),
            Some(Fault::FailAfter(error)) => forward.await.and(Err(error)),
            Some(Fault::Hang) => pending().await,
            Some(Fault::CrashBefore) => {
                self.gone.send_replace(true);
                pending().await
            }
            Some(Fault::CrashAfter) => {
                let answer = forward.await;
                self.gone.send_replace(true);
                answer
            }
        };
        self.still_alive().await;
        answer
    }

    async fn still_alive(&self) {
        if *self.gone.borrow() {
            pending::<()>().await;
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for FaultyStore {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        self.through(Call::Recover, self.inner.recover(life)).await
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        self.through(Call::Write, self.inner.write(batch)).await
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.through(Call::Heartbeat, self.inner.heartbeat(life))
            .await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.through(Call::Due, self.inner.due(now, until, limit))
            .await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.through(
            Call::DueDeliveries,
            self.inner.due_deliveries(now, doors, limit),
        )
        .await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.through(Call::Expire, self.inner.expire(now, limit))
            .await
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        self.through(Call::Hasten, self.inner.hasten(now, limit))
            .await
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        let forward = self.inner.history(conversation, limit);
        self.through(Call::History, forward).await
    }

    async fn backlog(&self) -> Result<u64> {
        self.through(Call::Backlog, self.inner.backlog()).await
    }

    async fn purge(
        &self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> Result<u64> {
        let forward = self.inner.purge(keys_before, raw_before, limit);
        self.through(Call::Purge, forward).await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let forward = self.inner.forget_news(before, limit);
        self.through(Call::ForgetNews, forward).await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        let forward = self.inner.purge_failures(before, limit);
        self.through(Call::PurgeFailures, forward).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.through(Call::Checkpoint, self.inner.checkpoint())
            .await
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        self.through(Call::Close, self.inner.close(process)).await
    }
}
