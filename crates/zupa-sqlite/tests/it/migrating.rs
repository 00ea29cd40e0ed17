//! Two versions of the binary on one file, and migrations that are killed.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use zupa_core::{Desk, ErrorKind};
use zupa_sqlite::{SqliteConfig, SqliteStore, migrations, wanted_version};

use crate::support::Talk;

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
        .unwrap()
}

async fn execute(path: &Path, sql: String) {
    let mut connection = connect(path).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// A store as some version of the future leaves it.
async fn from_the_future(folder: &TempDir, serves_from: i64) -> PathBuf {
    let path = folder.path().join("zupa.db");
    Talk::on(&path).await.say(3).await;
    execute(
        &path,
        format!(
            "ALTER TABLE conversations ADD COLUMN mood TEXT;
             UPDATE installation SET serves_from = {serves_from};
             INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99, 'from the future', 1, x'00', 0);"
        ),
    )
    .await;
    path
}

#[tokio::test]
async fn a_newer_schema_that_lets_this_build_serve_is_served_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = from_the_future(&folder, 1).await;
    let talk = Talk::on(&path).await;
    talk.say(2).await;
    let status = talk.store.status().await.unwrap();
    assert_eq!(
        (status.schema_version, status.schema_wanted),
        (99, wanted_version())
    );
    let accounting = talk.store.accounting().await.unwrap();
    assert_eq!(accounting.accepted, 5);
    assert!(accounting.is_balanced());
}

#[tokio::test]
async fn a_newer_schema_that_does_not_is_refused_and_says_which_builds_may() {
    for serves_from in [99, wanted_version() + 1] {
        let folder = TempDir::new().unwrap();
        let path = from_the_future(&folder, serves_from).await;
        let before = std::fs::read(&path).unwrap();
        let error = SqliteStore::open(SqliteConfig::at(&path))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let said = error.to_string();
        for word in [
            "newer zupa".to_owned(),
            "schema_version: 99".to_owned(),
            format!("serves_from: {serves_from}"),
            format!("this_build_knows: {}", wanted_version()),
        ] {
            assert!(said.contains(&word), "no {word} in {said}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

/// A schema of the future that forgot the word is not trusted.
#[tokio::test]
async fn a_newer_schema_that_does_not_say_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = from_the_future(&folder, 1).await;
    execute(
        &path,
        "ALTER TABLE installation DROP COLUMN serves_from".into(),
    )
    .await;
    let error = SqliteStore::open(SqliteConfig::at(&path))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// The schema's history up to a version.
fn history(versions: usize) -> Migrator {
    Migrator::with_migrations(migrations().iter().take(versions).cloned().collect())
}

pub async fn at_version(path: &Path, versions: usize) {
    let mut connection = connect(path).await;
    if versions > 0 {
        history(versions)
            .run_direct(None, &mut connection, false)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn every_earlier_version_is_brought_up_to_this_build() {
    for versions in 0..migrations().iter().count() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("zupa.db");
        at_version(&path, versions).await;
        let talk = Talk::on(&path).await;
        talk.say(1).await;
        let status = talk.store.status().await.unwrap();
        assert_eq!(status.schema_version, status.schema_wanted);
    }
}

/// A migration is one transaction with its note, so whichever statement it dies
/// at, the next start finds it not begun. Here each prefix of the statements is
/// left behind by a connection that goes away in mid-transaction; the binary is
/// killed at each write of its own in `crates/zupa/tests/it/migrating.rs`.
#[tokio::test]
async fn a_migration_killed_at_any_statement_is_done_by_the_next_start() {
    for (earlier, migration) in migrations().iter().enumerate() {
        let statements = statements(migration.sql.as_str());
        for killed_at in 0..=statements.len() {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("zupa.db");
            at_version(&path, earlier).await;
            let mut connection = connect(&path).await;
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
                "version {} killed at {killed_at}",
                migration.version
            );
        }
    }
}

fn statements(sql: &str) -> Vec<String> {
    let plain: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let mut statements: Vec<String> = Vec::new();
    for piece in plain.trim_end().split_inclusive(';') {
        // The statements of a trigger are part of one.
        let open = statements
            .last_mut()
            .filter(|last| last.contains("CREATE TRIGGER") && !last.trim_end().ends_with("END;"));
        match open {
            Some(trigger) => trigger.push_str(piece),
            None => statements.push(piece.to_owned()),
        }
    }
    assert!(statements.len() > 1);
    statements
}
