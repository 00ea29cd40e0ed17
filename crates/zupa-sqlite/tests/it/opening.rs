//! Opening a file that is not as it should be.

use std::path::Path;

use tempfile::TempDir;
use zupa_core::ErrorKind;
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
