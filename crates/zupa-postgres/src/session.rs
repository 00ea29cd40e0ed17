//! Connections for everything but batches. No call waits for ever: after a cut the
//! server may have thrown a connection away, while this end, which has nothing
//! more to say, would wait for the answer until it is restarted.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use zupa_core::{Error, ErrorKind, Result, Retry};

use crate::config::PostgresConfig;
use crate::{error, open};

type Asked<'q> = Query<'q, Postgres, PgArguments>;

/// A few connections, made as they are needed. Not sqlx's pool: that one asks each
/// connection for a sign of life when it comes back, and waits for it for ever.
#[derive(Debug)]
pub(crate) struct Sessions {
    config: PostgresConfig,
    places: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

/// One connection in hand. Unless it is given back it is closed when dropped: a
/// call that was cut short may leave an answer in it.
pub(crate) struct Session<'p> {
    connection: PgConnection,
    sessions: &'p Sessions,
    limit: Duration,
    _place: SemaphorePermit<'p>,
}

impl Sessions {
    /// At most so many.
    pub(crate) fn new(config: &PostgresConfig, connections: u32) -> Self {
        Self {
            config: config.clone(),
            places: Semaphore::new(connections as usize),
            idle: Mutex::default(),
        }
    }

    /// Takes a connection, in the order of asking.
    pub(crate) async fn take(&self, attempted: &'static str) -> Result<Session<'_>> {
        let waiting = tokio::time::timeout(self.config.timeout, self.places.acquire());
        let Ok(Ok(place)) = waiting.await else {
            return Err(Error::new(ErrorKind::Unavailable, attempted)
                .with_retry(Retry::After(Duration::from_secs(1)))
                .with("why", "all connections of its kind are at work"));
        };
        let connection = match self.alive().await {
            Some(connection) => connection,
            None => open::connect(&self.config).await?,
        };
        Ok(Session {
            connection,
            sessions: self,
            // The server stops a statement at its own limit, before this one.
            limit: self.config.timeout * 2,
            _place: place,
        })
    }

    /// Asks for one row.
    pub(crate) async fn one(&self, attempted: &'static str, query: Asked<'_>) -> Result<PgRow> {
        let mut session = self.take(attempted).await?;
        let row = session.one(attempted, query).await?;
        session.give_back();
        Ok(row)
    }

    /// Asks for all rows.
    pub(crate) async fn all(
        &self,
        attempted: &'static str,
        query: Asked<'_>,
    ) -> Result<Vec<PgRow>> {
        let mut session = self.take(attempted).await?;
        let rows = session.all(attempted, query).await?;
        session.give_back();
        Ok(rows)
    }

    /// An idle connection that still answers: the server may have been restarted.
    async fn alive(&self) -> Option<PgConnection> {
        loop {
            let mut connection = self.idle().pop()?;
            let asking = tokio::time::timeout(self.config.timeout, connection.ping());
            if asking.await.is_ok_and(|answer| answer.is_ok()) {
                return Some(connection);
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session<'_> {
    /// Lets this session wait for longer.
    pub(crate) fn patient(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) async fn one(&mut self, attempted: &'static str, query: Asked<'_>) -> Result<PgRow> {
        let limit = self.limit;
        let asking = query.fetch_one(&mut self.connection);
        bounded(attempted, limit, asking).await
    }

    pub(crate) async fn maybe(
        &mut self,
        attempted: &'static str,
        query: Asked<'_>,
    ) -> Result<Option<PgRow>> {
        let limit = self.limit;
        let asking = query.fetch_optional(&mut self.connection);
        bounded(attempted, limit, asking).await
    }

    pub(crate) async fn all(
        &mut self,
        attempted: &'static str,
        query: Asked<'_>,
    ) -> Result<Vec<PgRow>> {
        let limit = self.limit;
        let asking = query.fetch_all(&mut self.connection);
        bounded(attempted, limit, asking).await
    }

    /// Opens a transaction that only reads, all of one moment.
    pub(crate) async fn begin(&mut self, attempted: &'static str) -> Result<()> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.all(attempted, sqlx::query(begin)).await.map(drop)
    }

    /// Ends it, and lets others have the connection.
    pub(crate) async fn end(mut self, attempted: &'static str) -> Result<()> {
        self.all(attempted, sqlx::query("ROLLBACK")).await?;
        self.give_back();
        Ok(())
    }

    /// Lets others have the connection. There must be no transaction open.
    pub(crate) fn give_back(self) {
        self.sessions.idle().push(self.connection);
    }
}

async fn bounded<T>(
    attempted: &'static str,
    limit: Duration,
    asking: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T> {
    match tokio::time::timeout(limit, asking).await {
        Ok(said) => said.map_err(|source| error::of_write(attempted, source)),
        Err(_elapsed) => Err(error::silent(attempted)),
    }
}
