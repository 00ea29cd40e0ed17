//! What the store wants to know.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use zupa_core::{Error, Result};

/// Where and how to keep the store. `Debug` shows no password.
#[derive(Clone)]
pub struct PostgresConfig {
    pub(crate) server: PgConnectOptions,
    /// What a commit waits for. Default: full.
    pub durability: Durability,
    /// Connections for reading on the path, and as many for readers of the desk,
    /// made as they are needed. Default: 4. Four more write, show signs of life,
    /// call hints out and listen for them.
    pub readers: u32,
    /// Longest wait for one statement, and for a connection. Default: 5 s.
    pub timeout: Duration,
    /// Longest wait for a row that somebody else is writing, after which the
    /// items that want it are refused for now and the others written. Default:
    /// 100 ms.
    pub lock_timeout: Duration,
    /// True behind a pooler that gives each transaction another connection
    /// (PgBouncer's `transaction` mode): no settings of a session, no locks of
    /// one, no notifications. The pooler has to keep prepared statements apart,
    /// as PgBouncer does from 1.21 on. Default: false.
    pub pooled: bool,
    /// Planted bug, for showing that checkers catch it.
    #[cfg(feature = "faults")]
    pub planted: crate::Planted,
}

/// What a commit that somebody outside is told about waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A flush to disk, and whatever `synchronous_commit` of the server asks of
    /// its standbys.
    #[default]
    Full,
    /// Nothing: the last moments before a crash of the server may be gone,
    /// though acknowledged.
    Normal,
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("location", &self.location())
            .field("durability", &self.durability)
            .field("readers", &self.readers)
            .field("timeout", &self.timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("pooled", &self.pooled)
            .finish_non_exhaustive()
    }
}

impl PostgresConfig {
    /// The defaults for a server and database, as a URL:
    /// `postgres://user:password@host:port/database?sslmode=require`.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for what is no such URL; the
    /// URL is not repeated, since it may hold a password.
    pub fn at(url: &str) -> Result<Self> {
        let not_one = || Error::invalid("not the URL of a Postgres database");
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(not_one());
        }
        // What it says of a bad URL may repeat the password.
        let server = PgConnectOptions::from_str(url).map_err(|_| not_one())?;
        Ok(Self {
            server: server.application_name("zupa"),
            durability: Durability::Full,
            readers: 4,
            timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_millis(100),
            pooled: false,
            #[cfg(feature = "faults")]
            planted: crate::Planted::None,
        })
    }

    /// Sets the password, instead of one in the URL.
    pub fn with_password(mut self, password: &str) -> Self {
        self.server = self.server.password(password);
        self
    }

    /// Whether what somebody outside is told about waits for the disk.
    pub(crate) fn flushes(&self) -> bool {
        self.durability == Durability::Full
    }

    /// Where the store lies, without credentials: `host:port/database`.
    pub fn location(&self) -> String {
        let database = self
            .server
            .get_database()
            .unwrap_or_else(|| self.server.get_username());
        format!(
            "{}:{}/{database}",
            self.server.get_host(),
            self.server.get_port()
        )
    }
}
