//! The `Store` port on SQLite: one connection writes, a few read, one moves the
//! log into the main file.

mod accept;
mod answers;
mod checkpoint;
mod claim;
pub(crate) mod decode;
mod deliver;
mod finish;
mod read;
mod record;
mod recover;
mod request;
mod rivals;
mod sql;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::Mutex;
use zupa_core::store::{Applied, Batch, Delivery, Due, Recovery};
use zupa_core::turn::Message;
use zupa_core::{ConversationId, Error, ErrorKind, Number, ProcessId, Result, Store, Timestamp};

use crate::config::SqliteConfig;
use crate::lock::Lock;
use crate::open;

/// Store and Desk in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) config: SqliteConfig,
    writer: Mutex<Writer>,
    pub(crate) readers: SqlitePool,
    checkpointer: Mutex<SqliteConnection>,
    /// Set by a failed flush: what was acknowledged may not be durable.
    poisoned: AtomicBool,
    _lock: Lock,
}

/// The writing connection, and what it was last told about flushing.
#[derive(Debug)]
struct Writer {
    connection: SqliteConnection,
    flushes: bool,
}

impl SqliteStore {
    /// Opens the file, taking its lock for the life of the store.
    ///
    /// *Errors*: [`ErrorKind::Conflict`] when another process serves the file,
    /// [`ErrorKind::Unsupported`] when it is from a newer version,
    /// [`ErrorKind::Corrupt`] when it is damaged or no database at all,
    /// [`ErrorKind::Unavailable`] when it cannot be read or written.
    pub async fn open(config: SqliteConfig) -> Result<Self> {
        if let Some(folder) = config
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|source| {
                Error::new(ErrorKind::Unavailable, "the store's folder cannot be made")
                    .with("path", folder.display())
                    .with_source(source)
            })?;
        }
        let lock = Lock::take(&config.path)?;
        let connection = open::writer(&config).await?;
        let readers = open::readers(&config).await?;
        let checkpointer = Mutex::new(open::checkpointer(&config).await?);
        Ok(Self {
            config,
            writer: Mutex::new(Writer {
                connection,
                flushes: true,
            }),
            readers,
            checkpointer,
            poisoned: AtomicBool::new(false),
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

    /// Notes a failed flush, after which nothing may be acknowledged.
    fn noted(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::DurabilityLost {
            self.poisoned.store(true, Ordering::Release);
        }
        error
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn recover(&self, process: ProcessId, now: Timestamp) -> Result<Recovery> {
        self.refuse_if_poisoned()?;
        let mut writer = self.writer.lock().await;
        recover::recover(&mut writer.connection, process, now)
            .await
            .map_err(|error| self.noted(error))
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        self.refuse_if_poisoned()?;
        let mut writer = self.writer.lock().await;
        write::write(&mut writer, &self.config, batch)
            .await
            .map_err(|error| self.noted(error))
    }

    async fn heartbeat(&self, process: ProcessId, now: Timestamp) -> Result<()> {
        self.refuse_if_poisoned()?;
        let mut writer = self.writer.lock().await;
        write::heartbeat(&mut writer, process, now)
            .await
            .map_err(|error| self.noted(error))
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        read::due(&self.readers, now, until, limit).await
    }

    async fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Delivery>> {
        read::due_deliveries(&self.readers, now, limit).await
    }

    async fn history(
        &self,
        conversation: ConversationId,
        before: Number,
        limit: usize,
    ) -> Result<Vec<Message>> {
        read::history(&self.readers, conversation, before, limit).await
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
        self.refuse_if_poisoned()?;
        let mut writer = self.writer.lock().await;
        recover::purge(&mut writer.connection, keys_before, raw_before, limit)
            .await
            .map_err(|error| self.noted(error))
    }

    async fn checkpoint(&self) -> Result<()> {
        self.refuse_if_poisoned()?;
        checkpoint::checkpoint(&self.checkpointer, &self.writer)
            .await
            .map_err(|error| self.noted(error))
    }

    async fn close(&self) -> Result<()> {
        self.refuse_if_poisoned()?;
        let mut writer = self.writer.lock().await;
        recover::close(&mut writer.connection)
            .await
            .map_err(|error| self.noted(error))
    }
}
