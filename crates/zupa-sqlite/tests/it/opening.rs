//! Opening a file that is not as it should be, and migrations that are killed.

use std::path::Path;

use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use zupa_core::{Desk, ErrorKind};
use zupa_sqlite::{SqliteConfig, SqliteStore};

async fn refused(path: &Path) -> ErrorKind {
    SqliteStore::open(SqliteConfig::at(path))
        .await
        .unwrap_err()
        .kind()
}

#[tokio::test]
async fn a_second_store_on_the_same_file_is_refused_until_the_first_is_gone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let first = SqliteStore::open(SqliteConfig::at(&path)).await.unwrap();
    assert!(zupa_sqlite::is_locked(&path));
    assert_eq!(refused(&path).await, ErrorKind::Conflict);
    drop(first);
    assert!(!zupa_sqlite::is_locked(&path));
    SqliteStore::open(SqliteConfig::at(&path)).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let text = "this is a letter, not a database. ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    assert_eq!(refused(&path).await, ErrorKind::Corrupt);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    drop(SqliteStore::open(SqliteConfig::at(&path)).await.unwrap());
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9000, 'from the future', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    assert_eq!(refused(&path).await, ErrorKind::Unsupported);
}

/// A migration is one transaction with its note, so whichever statement it dies
/// at, the next start finds it not begun. Here each prefix of the statements is
/// left behind by a connection that goes away in mid-transaction.
#[tokio::test]
async fn a_migration_killed_at_any_statement_is_done_by_the_next_start() {
    let migrations = zupa_sqlite::migrations();
    let sql = migrations.iter().next().unwrap().sql.as_str();
    let sql: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let statements: Vec<_> = sql.trim_end().split_inclusive(';').collect();
    assert!(statements.len() > 10);
    for killed_at in 0..statements.len() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("zupa.db");
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .connect()
            .await
            .unwrap();
        let done = statements[..killed_at].concat();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {done}")))
            .execute(&mut connection)
            .await
            .unwrap();
        drop(connection);
        let store = SqliteStore::open(SqliteConfig::at(&path)).await.unwrap();
        let status = store.status().await.unwrap();
        assert_eq!(
            status.schema_version, status.schema_wanted,
            "killed at {killed_at}"
        );
    }
}
