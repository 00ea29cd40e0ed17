//! The `Store` port on SQLite: one connection writes, a few read, one moves the
//! log into the main file.

mod accept;
mod alias;
mod audit;
mod checkpoint;
mod claim;
mod dead_letters;
pub(crate) mod decode;
mod deliver;
mod early_news;
mod failures;
mod finish;
mod handed;
mod hold;
mod idempotency;
mod internal;
mod kept;
mod outbox;
mod person;
mod purge;
mod read;
mod receipts;
mod record;
mod recover;
mod row;
mod set_back;
pub(crate) mod wait_row;
mod waits;
mod write;
mod writer;

pub(crate) use audit::SYSTEM_STREAM;

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::Mutex;
use zupa_core::desk::{Decided, Holding, NewHold, Releasing};
use zupa_core::store::{Applied, Batch, Delivery, Due, Durability, Life, OpenDoors, Recovery};
use zupa_core::turn::Message;
use zupa_core::{
    AuditEntry, ClaimAct, ClaimActed, ConversationId, DeadLetterAct, DeadLetterActed, DeadLetterId,
    DeadLettersKept, Decision, Error, ErrorKind, ProcessId, Result, Store, Timestamp, WaitId,
};

use crate::config::{self, SqliteConfig};
use crate::lock::Lock;
use crate::open;
use checkpoint::When;
use row::Prepared;
use writer::{Writer, Writing};

/// Store and Desk in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) config: SqliteConfig,
    writer: Writer,
    pub(crate) readers: SqlitePool,
    checkpointer: Mutex<SqliteConnection>,
    /// Set by a failed flush: what was acknowledged may not be durable.
    poisoned: AtomicBool,
    /// The process that serves through this handle.
    serving: std::sync::Mutex<Option<ProcessId>>,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the file, taking its lock for the life of the store.
    ///
    /// *Errors*: [`ErrorKind::Conflict`] when another process serves the file,
    /// [`ErrorKind::Unsupported`] when it is from a newer version,
    /// [`ErrorKind::Corrupt`] when it is damaged or no database at all,
    /// [`ErrorKind::Unavailable`] when it cannot be read or written.
    pub async fn open(config: SqliteConfig) -> Result<Self> {
        open::make_folder(&config.path)?;
        let lock = Lock::take(&config.path)?;
        open::migrate(&config).await?;
        let writer = Writer::start(open::writer(&config)?)?;
        let readers = open::readers(&config).await?;
        let checkpointer = Mutex::new(open::checkpointer(&config).await?);
        Ok(Self {
            config,
            writer,
            readers,
            checkpointer,
            poisoned: AtomicBool::new(false),
            serving: std::sync::Mutex::default(),
            _lock: lock,
        })
    }

    fn refuse_if_poisoned(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::DurabilityLost,
                "an earlier flush to disk failed; nothing is written any more",
            ));
        }
        Ok(())
    }

    /// Takes an operator's decision.
    pub(crate) async fn decide(
        &self,
        id: WaitId,
        decision: Decision,
        entry: AuditEntry,
    ) -> Result<Decided> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || {
                waits::decide(connection, id, &decision, entry)
            })
        })
        .await
    }

    /// Claims a review, or gives it back.
    pub(crate) async fn claim_wait(
        &self,
        id: WaitId,
        act: ClaimAct,
        entry: AuditEntry,
    ) -> Result<ClaimActed> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || waits::claim(connection, id, &act, entry))
        })
        .await
    }

    /// Takes a conversation from the agent.
    pub(crate) async fn hold(
        &self,
        id: ConversationId,
        wish: NewHold,
        entry: AuditEntry,
    ) -> Result<Holding> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || hold::hold(connection, id, &wish, entry))
        })
        .await
    }

    /// Hands a conversation back.
    pub(crate) async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || {
                hold::release(connection, id, answered_until, entry)
            })
        })
        .await
    }

    /// Has the agent end the session.
    pub(crate) async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || hold::end_session(connection, id, entry))
        })
        .await
    }

    /// Does something with a dead letter.
    pub(crate) async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || {
                dead_letters::act(connection, id, &act, entry)
            })
        })
        .await
    }

    /// Appends an act to the audit stream of the installation.
    pub(crate) async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || audit::append_to_system(connection, entry))
        })
        .await
    }

    /// The process that serves through this handle, if one does.
    pub(crate) fn serving(&self) -> Option<ProcessId> {
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a failed flush, after which nothing may be acknowledged.
    fn noted(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::DurabilityLost {
            self.poisoned.store(true, Ordering::Release);
        }
        error
    }

    /// Runs work on the writing connection, unless a flush has failed before.
    async fn work<T: Send + 'static>(
        &self,
        flush: Flush,
        work: impl FnOnce(&Prepared<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.refuse_if_poisoned()?;
        let flush = flush == Flush::Yes && self.config.durability == config::Durability::Full;
        let on_thread = move |writing: &mut Writing| {
            writing.flush(flush)?;
            work(&writing.connection)
        };
        self.writer
            .run(on_thread)
            .await
            .map_err(|error| self.noted(error))
    }
}

/// Whether somebody outside is told of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Yes,
    No,
}

#[async_trait]
impl Store for SqliteStore {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        let recovery = self
            .work(Flush::Yes, move |connection| {
                write::transaction(connection, || recover::recover(connection, life))
            })
            .await?;
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(life.process);
        Ok(recovery)
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        if batch.is_empty() {
            return Ok(Applied::default());
        }
        let planted = self.config.planted();
        let flush = match batch.durability() {
            Durability::Flushed => Flush::Yes,
            Durability::Riding => Flush::No,
        };
        self.work(flush, move |connection| {
            write::write(connection, &batch, planted)
        })
        .await
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.work(Flush::No, move |connection| {
            recover::heartbeat(connection, life)
        })
        .await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        read::due(&self.readers, now, until, limit).await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        read::due_deliveries(&self.readers, now, doors, limit).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.work(Flush::Yes, move |connection| {
            write::transaction(connection, || waits::expire(connection, now, limit))
        })
        .await
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        self.work(Flush::No, move |connection| {
            write::transaction(connection, || claim::hasten(connection, now, limit))
        })
        .await
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        read::history(&self.readers, conversation, limit).await
    }

    async fn backlog(&self) -> Result<u64> {
        read::backlog(&self.readers).await
    }

    async fn purge(
        &self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> Result<u64> {
        self.work(Flush::No, move |connection| {
            write::transaction(connection, || {
                purge::purge(connection, keys_before, raw_before, limit)
            })
        })
        .await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        self.work(Flush::No, move |connection| {
            write::transaction(connection, || purge::forget_news(connection, before, limit))
        })
        .await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        self.work(Flush::No, move |connection| {
            write::transaction(connection, || {
                dead_letters::purge(connection, before, limit)
            })
        })
        .await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.refuse_if_poisoned()?;
        checkpoint::checkpoint(&self.checkpointer, &self.writer, When::Long)
            .await
            .map_err(|error| self.noted(error))
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        self.work(Flush::Yes, move |connection| {
            recover::close(connection, process)
        })
        .await?;
        // Everything is durable and marked so; a log that could not be emptied
        // is emptied by the next start.
        let emptied = checkpoint::checkpoint(&self.checkpointer, &self.writer, When::Now).await;
        if let Err(error) = emptied.map_err(|error| self.noted(error)) {
            tracing::warn!(%error, "closed with a log that could not be emptied");
        }
        Ok(())
    }
}
