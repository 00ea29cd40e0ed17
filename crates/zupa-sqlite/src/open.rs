//! Opening: lock, engine version, schema version, connections.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};
use zupa_core::{Error, ErrorKind, Result};

use crate::config::SqliteConfig;
use crate::{backup, error};

/// SQLite before this can corrupt a file that two connections write and
/// checkpoint at once.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// The schema's history, oldest first. Only ever appended to.
///
/// A migration that binaries of an older version could not live with sets
/// `installation.serves_from` to its own version.
pub fn migrations() -> Migrator {
    let path = include_str!("../migrations/0001_path.sql");
    let versions = include_str!("../migrations/0002_versions.sql");
    let waits = include_str!("../migrations/0003_waits.sql");
    let holds = include_str!("../migrations/0004_holds.sql");
    let dead_letters = include_str!("../migrations/0005_dead_letters.sql");
    let by_statement = include_str!("../migrations/0006_dead_letters_by_statement.sql");
    let system_audit = include_str!("../migrations/0007_system_audit.sql");
    let keys = include_str!("../migrations/0008_keys.sql");
    let deliveries = include_str!("../migrations/0009_deliveries.sql");
    let asked = include_str!("../migrations/0010_asked.sql");
    let claims = include_str!("../migrations/0011_claims.sql");
    let news = include_str!("../migrations/0012_news.sql");
    let pace = include_str!("../migrations/0013_pace.sql");
    let again = include_str!("../migrations/0014_deliveries_again.sql");
    Migrator::with_migrations(vec![
        migration(1, "path", path),
        migration(2, "versions", versions),
        migration(3, "waits", waits),
        migration(4, "holds", holds),
        migration(5, "dead letters", dead_letters),
        migration(6, "dead letters by statement", by_statement),
        migration(7, "system audit", system_audit),
        migration(8, "keys", keys),
        migration(9, "deliveries", deliveries),
        migration(10, "asked", asked),
        migration(11, "claims", claims),
        migration(12, "news", news),
        migration(13, "pace", pace),
        migration(14, "deliveries again", again),
    ])
}

fn migration(version: i64, name: &'static str, sql: &'static str) -> Migration {
    Migration::new(
        version,
        Cow::Borrowed(name),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    )
}

/// The newest schema version that this build knows.
pub fn wanted_version() -> i64 {
    migrations()
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

/// Brings the schema up to this build, on a connection of its own. A store that
/// was restored is checked before.
pub(crate) async fn migrate(config: &SqliteConfig) -> Result<()> {
    check_restored(&config.path).await?;
    let mut connection = options(config)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
        .map_err(|source| cannot_open(&config.path, source))?;
    check_engine(&mut connection).await?;
    run_migrations(&mut connection, &config.path).await?;
    connection
        .close()
        .await
        .map_err(|source| cannot_open(&config.path, source))
}

async fn check_restored(path: &Path) -> Result<()> {
    let store = path.to_owned();
    let settled = tokio::task::spawn_blocking(move || backup::settle(&store))
        .await
        .map_err(|source| {
            Error::internal("the check of a restored store ended early").with_source(source)
        })?;
    match settled {
        Ok(None) => Ok(()),
        Ok(Some(checked)) => {
            tracing::info!(
                path = %path.display(),
                "checked the restored store: {} audit chains with {} entries",
                checked.chains,
                checked.audit_entries
            );
            Ok(())
        }
        Err(error) => Err(error.with("restored", true)),
    }
}

/// Opens the writer. Prepared statements stay as they were planned: with no
/// statistics to look at, planning them anew for each value gains nothing.
pub(crate) fn writer(config: &SqliteConfig) -> Result<rusqlite::Connection> {
    let open = || {
        let writer = rusqlite::Connection::open(&config.path)?;
        writer.busy_timeout(Duration::from_secs(5))?;
        writer.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        writer.pragma_update(None, "wal_autocheckpoint", 0)?;
        writer.pragma_update(None, "cache_size", -i64::from(config.cache_kib))?;
        writer.pragma_update(None, "foreign_keys", false)?;
        Ok(writer)
    };
    open().map_err(|source| {
        error::of_writer("the store cannot be opened", source).with("path", config.path.display())
    })
}

/// Opens the connections for reading.
pub(crate) async fn readers(config: &SqliteConfig) -> Result<SqlitePool> {
    // A reaped connection would cost a schema parse and a cold cache.
    SqlitePoolOptions::new()
        .max_connections(config.readers)
        .test_before_acquire(false)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options(config).read_only(true))
        .await
        .map_err(|source| cannot_open(&config.path, source))
}

/// Opens the connection that moves the log into the main file.
pub(crate) async fn checkpointer(config: &SqliteConfig) -> Result<SqliteConnection> {
    options(config)
        .connect()
        .await
        .map_err(|source| cannot_open(&config.path, source))
}

fn options(config: &SqliteConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&config.path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(false)
        .statement_cache_capacity(256)
        .row_buffer_size(4096)
        .disable_statement_logging()
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|source| {
        Error::new(ErrorKind::Unavailable, "the store's folder cannot be made")
            .with("path", folder.display())
            .with_source(source)
    })
}

async fn check_engine(connection: &mut SqliteConnection) -> Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .map_err(|source| error::of_reader("ask for the version of SQLite", source))?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let found = (next(), next(), next());
    if found < OLDEST_SQLITE {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "this SQLite is too old: before 3.51.3 it can corrupt a log that is written and checkpointed at once",
        )
        .with("found", version));
    }
    Ok(())
}

/// Brings the schema up to this build. Each migration is one transaction with
/// its note in the migrations table, so a kill leaves it done or not begun.
///
/// A newer schema that says that this build may serve it is left as it is.
async fn run_migrations(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let found = schema_version(connection, path).await?;
    if found > wanted_version() {
        let serves_from = serves_from(connection).await.unwrap_or(found);
        if serves_from > wanted_version() {
            return Err(newer(found, serves_from, path));
        }
        tracing::warn!(
            found,
            known = wanted_version(),
            "the store's schema is newer than this zupa and says that it may still serve it"
        );
        return Ok(());
    }
    migrations()
        .run_direct(None, connection, false)
        .await
        .map_err(|source| match source {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                error::of_reader("bring the schema up to date", source).with("path", path.display())
            }
            other => Error::new(ErrorKind::Corrupt, "the store's schema is not one of ours")
                .with("path", path.display())
                .with_source(other),
        })
}

/// The newest migration that was applied; 0 in a new file.
async fn schema_version(connection: &mut SqliteConnection, path: &Path) -> Result<i64> {
    let applied = match connection.list_applied_migrations("_sqlx_migrations").await {
        Ok(applied) => applied,
        // A new file has no such table yet.
        Err(MigrateError::Execute(sqlx::Error::Database(database)))
            if database.code().as_deref() == Some("1") =>
        {
            return Ok(0);
        }
        Err(MigrateError::Execute(source)) => return Err(cannot_open(path, source)),
        Err(other) => {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the store's schema history cannot be read",
            )
            .with("path", path.display())
            .with_source(other));
        }
    };
    Ok(applied
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0))
}

/// The oldest version that may serve the schema; an error where it does not say.
async fn serves_from(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT serves_from FROM installation")
        .fetch_one(connection)
        .await
}

fn newer(found: i64, serves_from: i64, path: &Path) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the store was written by a newer zupa, and this one may not serve it",
    )
    .with("path", path.display())
    .with("schema_version", found)
    .with("serves_from", serves_from)
    .with("this_build_knows", wanted_version())
}

fn cannot_open(path: &Path, source: sqlx::Error) -> Error {
    error::of_reader("the store cannot be opened", source).with("path", path.display())
}
