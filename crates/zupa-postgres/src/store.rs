//! The `Store` port on Postgres: one connection writes, one shows signs of life,
//! a few read.
//!
//! A batch is one call of one function, `zupa.write`, which is one transaction
//! and one round trip: a process that is stopped in the middle holds no rows,
//! because the server ends the transaction without it.

mod accept;
mod claim;
pub(crate) mod decode;
mod deliver;
mod encode;
pub(crate) mod finish;
mod halve;
mod idempotency;
pub(crate) mod item;
mod life;
mod read;
mod receipts;
mod record;
pub(crate) mod wait;
mod write;
mod writer;

use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::turn::Message;
use zupa_core::{ConversationId, DeadLettersKept, ProcessId, Result, Store, Timestamp, Wakeup};

use crate::config::PostgresConfig;
use crate::open;
use crate::session::Sessions;
use crate::wakeup::PostgresWakeup;
use writer::Writer;

/// Store and Desk in one Postgres database, in the schema `zupa`.
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) config: PostgresConfig,
    writer: Writer,
    readers: Sessions,
    /// For readers of the desk, who may take long, so that they do not stand in
    /// the path's way.
    pub(crate) desk: Sessions,
    /// A connection that nothing else can take: who cannot show a sign of life is
    /// taken for dead.
    life: Sessions,
    /// The process that lives on this store, once it has said so.
    process: RwLock<Option<ProcessId>>,
}

impl PostgresStore {
    /// Connects, checks the server and brings the schema up to this build.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Unavailable`] when the server cannot be
    /// reached, has no connection to spare or takes no writes,
    /// [`zupa_core::ErrorKind::Unauthorized`] when it does not believe who we
    /// are or the role may not do what is needed,
    /// [`zupa_core::ErrorKind::NotFound`] when there is no such database,
    /// [`zupa_core::ErrorKind::Unsupported`] when the server is too old, the
    /// encoding is not UTF8, or a newer version has changed the schema,
    /// [`zupa_core::ErrorKind::Corrupt`] when the schema is not one of ours.
    pub async fn open(config: PostgresConfig) -> Result<Self> {
        open::migrate(&config).await?;
        #[cfg(feature = "faults")]
        crate::faults::plant(&config).await?;
        Ok(Self::on(config))
    }

    /// Connects to look: the schema stays as it is, and a replica of the server
    /// will do.
    ///
    /// *Errors*: as [`Self::open`]; [`zupa_core::ErrorKind::NotFound`] also when
    /// the database has no schema of ours, and
    /// [`zupa_core::ErrorKind::Unsupported`] when it is older than this build.
    pub async fn open_to_read(config: PostgresConfig) -> Result<Self> {
        open::look(&config).await?;
        Ok(Self::on(config))
    }

    fn on(config: PostgresConfig) -> Self {
        Self {
            writer: Writer::new(config.clone()),
            readers: Sessions::new(&config, config.readers.max(1)),
            desk: Sessions::new(&config, config.readers.max(1)),
            life: Sessions::new(&config, 1),
            process: RwLock::new(None),
            config,
        }
    }

    /// Hints from and to the other processes on this store. Behind a pooler
    /// there are none: the poll finds the work.
    pub async fn wakeup(&self) -> Result<Arc<dyn Wakeup>> {
        Ok(Arc::new(PostgresWakeup::start(&self.config).await?))
    }

    fn process(&self) -> Option<ProcessId> {
        *self
            .process
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set_process(&self, process: ProcessId) {
        *self
            .process
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(process);
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        let recovery = life::recover(&self.life, life).await?;
        self.set_process(life.process);
        Ok(recovery)
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        write::write(&self.writer, &self.readers, batch).await
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        life::heartbeat(&self.life, life).await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        read::due(&self.readers, self.process(), now, until, limit).await
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
        wait::expire(&self.readers, now, limit, self.config.flushes()).await
    }

    async fn hasten(&self, _now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        read::hasten(&self.readers, limit).await
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
        life::purge(&self.readers, keys_before, raw_before, limit).await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        life::forget_news(&self.readers, before, limit).await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        life::purge_failures(&self.readers, before, limit).await
    }

    /// The server does this by itself.
    async fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        life::goodbye(&self.life, process).await
    }
}
