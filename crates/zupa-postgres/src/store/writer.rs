//! The connection that writes batches, made anew when it was lost.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;
use zupa_core::{Error, ErrorKind, Outcome, Result};

use super::encode::Call;
use super::finish::{AuditItem, OutboundItem};
use super::halve::Stuck;
use super::wait::{FactItem, SettleItem, WaitItem};
use crate::config::PostgresConfig;
use crate::{error, open};

/// Calls `zupa.write`.
const WRITE: &str = "SELECT zupa.write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
                     $15)::text";

/// What fits into one record of TLS, with some room.
///
/// A longer call leaves in several writes to the socket, and the connection
/// holds each small one back until the one before it is acknowledged (Nagle's
/// algorithm, which sqlx does not switch off): about 40 ms for each call. Two
/// transactions are faster.
const RECORD: usize = 12 * 1024;

/// Writes one batch at a time. Batches gather in the runtime, so a second
/// connection would find nothing to do but wait for rows of the first.
#[derive(Debug)]
pub(super) struct Writer {
    config: PostgresConfig,
    connection: Mutex<Option<PgConnection>>,
    /// Whether the last connection was encrypted.
    encrypted: AtomicBool,
}

impl Writer {
    /// Connects at the first batch.
    pub(super) fn new(config: PostgresConfig) -> Self {
        Self {
            config,
            connection: Mutex::new(None),
            encrypted: AtomicBool::new(false),
        }
    }

    /// True for a call that is better made in two.
    pub(super) fn is_too_long(&self, call: &Call) -> bool {
        self.encrypted.load(Ordering::Relaxed) && call.bytes() > RECORD
    }

    /// What somebody else keeps locked of what a call wants, if anything.
    pub(super) async fn stuck(&self, call: &Call) -> Result<Option<Stuck>> {
        let mut kept = self.connection.lock().await;
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let said = sqlx::query_scalar("SELECT zupa.stuck($1, $2, $3, $4)::text")
            .bind(&call.conversations)
            .bind(&call.names)
            .bind(&call.channels)
            .bind(&call.tenants)
            .fetch_one(&mut connection);
        let said: Option<String> = tokio::time::timeout(self.config.timeout * 2, said)
            .await
            .map_err(|_elapsed| error::silent("look for locked rows"))?
            .map_err(|source| error::of_write("look for locked rows", source))?;
        *kept = Some(connection);
        said.map(|said| serde_json::from_str(&said))
            .transpose()
            .map_err(|source| {
                Error::new(ErrorKind::Corrupt, "the store's answer cannot be read")
                    .with_source(source)
            })
    }

    async fn connect(&self) -> Result<PgConnection> {
        let mut connection = open::connect(&self.config).await?;
        // sqlx finds a type whose fields are lists of other types only when it
        // has met those before, so it is shown them here.
        let encrypted: bool = sqlx::query_scalar(
            "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
             FROM (SELECT $1, $2, $3, $4, $5) AS lists",
        )
        .bind(Vec::<AuditItem>::new())
        .bind(Vec::<OutboundItem>::new())
        .bind(Vec::<WaitItem>::new())
        .bind(Vec::<SettleItem>::new())
        .bind(Vec::<FactItem>::new())
        .persistent(false)
        .fetch_one(&mut connection)
        .await
        .map_err(|source| error::of_read("look at the connection", source))?;
        self.encrypted.store(encrypted, Ordering::Relaxed);
        Ok(connection)
    }

    /// Runs one transaction and answers what the function said.
    ///
    /// *Cancel safety*: a call that is dropped loses its answer and the
    /// connection, not its transaction.
    pub(super) async fn call(&self, call: &Call) -> Result<String> {
        let mut kept = self.connection.lock().await;
        // Taken out, so that a call that is dropped does not leave an answer in
        // the connection for the next one to read.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match self.ask(&mut connection, call).await {
            Ok(answer) => {
                *kept = Some(connection);
                Ok(answer)
            }
            Err(error) => {
                // Whoever could say what was wrong can be asked again; otherwise
                // nothing more can be said over this connection.
                if error.outcome() == Outcome::NotApplied && error::was_said(&error) {
                    *kept = Some(connection);
                }
                Err(error)
            }
        }
    }

    async fn ask(&self, connection: &mut PgConnection, call: &Call) -> Result<String> {
        let patience = format!("{}ms", self.config.lock_timeout.as_millis().max(1));
        let asking = sqlx::query_scalar(WRITE)
            .bind(call.said)
            .bind(call.flush && self.config.flushes())
            .bind(patience)
            .bind(&call.conversations)
            .bind(&call.names)
            .bind(&call.channels)
            .bind(&call.tenants)
            .bind(&call.settlements)
            .bind(&call.receipts)
            .bind(&call.records)
            .bind(&call.finishes)
            .bind(&call.inbounds)
            .bind(&call.attempts)
            .bind(&call.claims)
            .bind(&call.renewals)
            .fetch_one(connection);
        // The server stops the statement at its own time limit; only a link
        // that is dead without a word takes longer than that.
        match tokio::time::timeout(self.config.timeout * 2, asking).await {
            Ok(said) => said.map_err(|source| error::of_write("write a batch", source)),
            Err(_elapsed) => Err(error::silent("write a batch")),
        }
    }
}
