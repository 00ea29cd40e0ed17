//! Opening: the server's settings, the schema's version, connections.

use sqlx::migrate::Migrate;
use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tracing::warn;
use zupa_core::{Error, ErrorKind, Result, Retry};

use crate::config::{Durability, PostgresConfig};
use crate::error;
use crate::migrations::{HISTORY, migrations, wanted_version};

/// Checks the server and brings the schema up to this build.
pub(crate) async fn migrate(config: &PostgresConfig) -> Result<()> {
    let mut connection = connect(config).await?;
    check_server(&mut connection, config).await?;
    make_schema(&mut connection).await?;
    refuse_newer(&mut connection).await?;
    if !config.pooled {
        // A migration may take longer than any statement of the path; but somebody
        // who keeps the lock of migrations is not waited for for ever.
        for setting in ["SET statement_timeout = 0", "SET lock_timeout = '60s'"] {
            sqlx::query(setting)
                .execute(&mut connection)
                .await
                .map_err(|source| cannot_open(config, source))?;
        }
    }
    run_migrations(&mut connection, config).await?;
    let _ = connection.close().await;
    Ok(())
}

/// Checks that the schema is there, and one that this build can read.
pub(crate) async fn look(config: &PostgresConfig) -> Result<()> {
    let Some(version) = schema_version(config).await? else {
        return Err(
            Error::new(ErrorKind::NotFound, "there is no store in this database")
                .with("server", config.location()),
        );
    };
    if version < wanted_version() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the store's schema is older than this build: `zupa db migrate` brings it up",
        )
        .with("schema_version", version)
        .with("wanted", wanted_version()));
    }
    let mut connection = connect(config).await?;
    refuse_newer(&mut connection).await?;
    let _ = connection.close().await;
    Ok(())
}

/// The version of the schema that is there, if there is one, without touching
/// anything.
///
/// *Errors*: as opening.
pub async fn schema_version(config: &PostgresConfig) -> Result<Option<i64>> {
    let mut connection = connect(config).await?;
    let there = sqlx::query("SELECT 1 WHERE to_regclass($1) IS NOT NULL")
        .bind(HISTORY)
        .fetch_optional(&mut connection)
        .await
        .map_err(|source| cannot_open(config, source))?;
    let version = match there {
        Some(_) => Some(version(&mut connection).await?),
        None => None,
    };
    let _ = connection.close().await;
    Ok(version)
}

/// Opens one connection.
pub(crate) async fn connect(config: &PostgresConfig) -> Result<PgConnection> {
    let options = options(config);
    match tokio::time::timeout(config.timeout, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(source)) => Err(cannot_open(config, source)),
        Err(_elapsed) => Err(Error::new(
            ErrorKind::Unavailable,
            "the database server does not answer",
        )
        .with_retry(Retry::After(std::time::Duration::from_secs(1)))
        .with("server", config.location())),
    }
}

/// The settings of a session bound what a stuck peer can do to others: a
/// statement that runs too long is stopped, a transaction that nobody continues
/// is rolled back, a connection whose other end does not take its bytes is
/// closed. Behind a pooler sessions are shared, and have the server's settings.
pub(crate) fn options(config: &PostgresConfig) -> PgConnectOptions {
    let server = config.server.clone().disable_statement_logging();
    if config.pooled {
        return server.extra_float_digits(None);
    }
    let milliseconds = config.timeout.as_millis().max(1).to_string();
    let settings = [
        ("statement_timeout", milliseconds.as_str()),
        ("idle_in_transaction_session_timeout", &milliseconds),
        ("tcp_user_timeout", &milliseconds),
        // Every name of ours says its schema; others are the server's own.
        ("search_path", "pg_catalog"),
        // Plans are made when the tables are empty, and kept.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("jit", "off"),
    ];
    server.options(settings)
}

async fn check_server(connection: &mut PgConnection, config: &PostgresConfig) -> Result<()> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'),
                current_setting('synchronous_commit'), current_setting('fsync'),
                current_setting('full_page_writes'), pg_is_in_recovery(),
                current_setting('transaction_read_only')",
    )
    .fetch_one(connection)
    .await
    .map_err(|source| cannot_open(config, source))?;
    let text = |column: usize| -> Result<String> {
        row.try_get(column)
            .map_err(|source| error::of_read("read the server's settings", source))
    };
    let version: i32 = row
        .try_get(0)
        .map_err(|source| error::of_read("read the server's settings", source))?;
    if version < 140_000 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the database server is older than PostgreSQL 14",
        )
        .with("version", version));
    }
    if text(1)? != "UTF8" {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the database's encoding is not UTF8",
        )
        .with("encoding", text(1)?));
    }
    let standby: bool = row
        .try_get(5)
        .map_err(|source| error::of_read("read the server's settings", source))?;
    if standby || text(6)? == "on" {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "the database server takes no writes: it is a replica, or set to read only",
        )
        .with_retry(Retry::After(std::time::Duration::from_secs(1)))
        .with("server", config.location())
        .with("sqlstate", "25006"));
    }
    if config.durability == Durability::Full {
        for (setting, value) in [
            ("synchronous_commit", text(2)?),
            ("fsync", text(3)?),
            ("full_page_writes", text(4)?),
        ] {
            if value == "off" {
                warn!(
                    setting,
                    "the database server may lose what was acknowledged: this setting is off"
                );
            }
        }
    }
    Ok(())
}

/// A role that may not make schemas can use one that is there.
async fn make_schema(connection: &mut PgConnection) -> Result<()> {
    let failed = |source| error::of_write("create the schema zupa", source);
    let known = sqlx::query("SELECT 1 WHERE to_regnamespace('zupa') IS NOT NULL")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    if known.is_some() {
        return Ok(());
    }
    let made = sqlx::query("CREATE SCHEMA IF NOT EXISTS zupa")
        .execute(connection)
        .await;
    match made {
        // Two processes that start at once may both find it missing.
        Err(sqlx::Error::Database(said)) if said.code().as_deref() == Some("23505") => Ok(()),
        made => made.map(drop).map_err(failed),
    }
}

/// A schema of a newer version says from which version on builds may serve it.
pub(crate) async fn refuse_newer(connection: &mut PgConnection) -> Result<()> {
    let failed = |source| error::of_read("read the schema's version", source);
    let there = sqlx::query("SELECT 1 WHERE to_regclass('zupa.installation') IS NOT NULL")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    if there.is_none() {
        return Ok(());
    }
    let row = sqlx::query("SELECT serves_from FROM zupa.installation")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    may_serve(row.try_get(0).map_err(failed)?)
}

/// Refuses when the schema serves only newer builds than this.
pub(crate) fn may_serve(serves_from: i64) -> Result<()> {
    let knows = wanted_version();
    if serves_from > knows {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the store was changed by a newer version, which this one cannot serve beside",
        )
        .with("schema_serves_from", serves_from)
        .with("this_build_knows", knows));
    }
    Ok(())
}

async fn run_migrations(connection: &mut PgConnection, config: &PostgresConfig) -> Result<()> {
    let mut migrator = migrations();
    // A pooler gives no session to hold a lock in; each migration takes one of
    // its own, and whoever comes second tries again and finds it done: with the
    // history's table and with each of them at most once.
    migrator.set_locking(!config.pooled);
    let mut ran = migrator.run_direct(None, connection, false).await;
    for _ in 0..=migrations().iter().count() {
        if !config.pooled || !matches!(ran, Err(Execute(_) | ExecuteMigration(..))) {
            break;
        }
        ran = migrator.run_direct(None, connection, false).await;
    }
    match ran {
        Ok(()) => Ok(()),
        Err(Execute(source) | ExecuteMigration(source, _)) => {
            Err(error::of_write("migrate the schema", source))
        }
        Err(source) => Err(Error::new(
            ErrorKind::Corrupt,
            "the schema's history is not the one this build knows",
        )
        .with_source(source)),
    }
}

/// What opening says: who and where, never the password.
fn cannot_open(config: &PostgresConfig, source: sqlx::Error) -> Error {
    error::of_read("open the store", source).with("server", config.location())
}

/// The version that the schema has now.
pub(crate) async fn version(connection: &mut PgConnection) -> Result<i64> {
    let applied = connection
        .list_applied_migrations(HISTORY)
        .await
        .map_err(|source| {
            Error::new(ErrorKind::Corrupt, "the schema's history cannot be read")
                .with_source(source)
        })?;
    Ok(applied.iter().map(|one| one.version).max().unwrap_or(0))
}
