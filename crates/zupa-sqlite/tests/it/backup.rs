//! Copies of a store: taken beside its writer, checked, put back, and a restore
//! that dies half-way.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use zupa_core::{Desk, ErrorKind, Timestamp};
use zupa_sqlite::backup::{Kept, Restoring, check, contents, copy};
use zupa_sqlite::{SqliteConfig, SqliteStore};

use crate::support::Talk;

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn opened(path: &Path) -> zupa_core::Result<SqliteStore> {
    SqliteStore::open(SqliteConfig::at(path)).await
}

/// A store with so many messages that nobody serves any more.
async fn left(path: &Path, messages: u32) {
    Talk::on(path).await.say(messages).await;
}

#[tokio::test]
async fn a_copy_taken_beside_the_writer_is_whole_and_leaves_no_trace() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let to = folder.path().join("copy.db");
    let talk = Talk::on(&path).await;
    talk.say(20).await;
    copy(&path, &to).unwrap();
    talk.say(5).await;
    let found = contents(&to, Kept::Still).unwrap();
    assert_eq!((found.inbounds, found.conversations), (20, 7));
    assert_eq!(found.newest_accepted_at, Some(Timestamp(1_019)));
    check(&to, Kept::Still).unwrap();
    assert_eq!(contents(&path, Kept::Live).unwrap().inbounds, 25);
    let beside: Vec<_> = names(&folder)
        .into_iter()
        .filter(|name| name.starts_with("copy"))
        .collect();
    assert_eq!(beside, ["copy.db"]);
    // What it was taken from did not notice.
    let accounting = talk.store.accounting().await.unwrap();
    assert_eq!((accounting.accepted, accounting.is_balanced()), (25, true));
}

#[tokio::test]
async fn a_copy_keeps_row_ids() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let to = folder.path().join("copy.db");
    left(&path, 9).await;
    let rows = |path: &Path| -> Vec<(i64, Vec<u8>)> {
        let connection = Connection::open(path).unwrap();
        let mut statement = connection
            .prepare("SELECT rowid, event_id FROM inbounds ORDER BY rowid")
            .unwrap();
        statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    Connection::open(&path)
        .unwrap()
        .execute_batch("UPDATE inbounds SET rowid = rowid * 10 + 3")
        .unwrap();
    copy(&path, &to).unwrap();
    assert_eq!(rows(&to), rows(&path));
    assert_eq!(rows(&to)[0].0, 13);
}

#[tokio::test]
async fn a_copy_never_replaces_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let to = folder.path().join("copy.db");
    left(&path, 1).await;
    std::fs::write(&to, "mine").unwrap();
    assert_eq!(copy(&path, &to).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "mine");
}

#[tokio::test]
async fn a_check_finds_what_does_not_hold_together() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("zupa.db");
    left(&whole, 9).await;
    Connection::open(&whole)
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let broken_by = |name: &str, sql: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::copy(&whole, &path).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    };
    for (name, sql, word) in [
        (
            "lost.db",
            "DELETE FROM inbounds WHERE rowid = 4",
            "accounting",
        ),
        (
            "forged.db",
            "INSERT INTO audit (stream, number, at, actor, action, reason, config, hash)
             SELECT id, 1, 1, 'x', 'x', '', zeroblob(32), zeroblob(32) FROM conversations LIMIT 1",
            "broken at entry 1",
        ),
        (
            "cut.db",
            "UPDATE conversations SET audit_number = 3 WHERE rowid_of = 1",
            "should hold 3",
        ),
    ] {
        let sql = sql.replace(
            "WHERE rowid_of = 1",
            "WHERE id = (SELECT min(id) FROM conversations)",
        );
        let error = check(&broken_by(name, &sql), Kept::Live).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(word), "{error}");
    }
    let damaged = folder.path().join("damaged.db");
    let mut bytes = std::fs::read(&whole).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&damaged, bytes).unwrap();
    assert_eq!(
        check(&damaged, Kept::Still).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    std::fs::write(&damaged, "no database at all, and long enough".repeat(99)).unwrap();
    assert_eq!(
        contents(&damaged, Kept::Still).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

/// Two stores and a copy of the first: 3 messages there, 8 in the one that is to
/// be replaced.
async fn to_restore(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (from, store) = (folder.path().join("a.db"), folder.path().join("zupa.db"));
    let copied = folder.path().join("copy.db");
    left(&from, 3).await;
    copy(&from, &copied).unwrap();
    left(&store, 8).await;
    (copied, store)
}

async fn accepted(path: &Path) -> u64 {
    let store = opened(path).await.unwrap();
    store.accounting().await.unwrap().accepted
}

#[tokio::test]
async fn a_restore_moves_the_old_store_aside_and_the_next_start_checks() {
    let folder = TempDir::new().unwrap();
    let (copied, store) = to_restore(&folder).await;
    let restoring = Restoring::begin(&store).unwrap();
    assert!(restoring.replaces());
    assert_eq!(
        opened(&store).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    std::fs::copy(&copied, restoring.prepared()).unwrap();
    let placed = restoring.place(Timestamp(1_000_000)).unwrap();
    let aside = placed.moved_aside.unwrap();
    assert!(
        aside
            .display()
            .to_string()
            .ends_with("zupa.db.before-restore-19700101T000001Z")
    );
    let mark = folder.path().join("zupa.db.restored");
    assert!(mark.exists());
    assert_eq!(accepted(&store).await, 3);
    assert!(!mark.exists());
    assert_eq!(accepted(&aside).await, 8);
}

#[tokio::test]
async fn a_restored_store_that_does_not_hold_together_is_refused_until_another_is_restored() {
    let folder = TempDir::new().unwrap();
    let (copied, store) = to_restore(&folder).await;
    let restoring = Restoring::begin(&store).unwrap();
    std::fs::copy(&copied, restoring.prepared()).unwrap();
    Connection::open(restoring.prepared())
        .unwrap()
        .execute_batch("DELETE FROM inbounds WHERE rowid = 2; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    restoring.place(Timestamp(1)).unwrap();
    for _ in 0..2 {
        let error = opened(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("accounting"), "{error}");
    }
    let restoring = Restoring::begin(&store).unwrap();
    std::fs::copy(&copied, restoring.prepared()).unwrap();
    restoring.place(Timestamp(2)).unwrap();
    assert_eq!(accepted(&store).await, 3);
}

/// The steps of a restore one by one, each left as a death would leave it.
#[tokio::test]
async fn a_restore_that_dies_leaves_the_old_store_or_a_refusal() {
    let folder = TempDir::new().unwrap();
    let (copied, store) = to_restore(&folder).await;
    let named = |suffix: &str| folder.path().join(format!("zupa.db{suffix}"));
    let aside = named(".before-restore-19700101T000009Z");

    // Prepared and marked: nothing is moved, and the old store passes the check.
    std::fs::copy(&copied, named(".restoring")).unwrap();
    let mark = r#"{"version":1,"stamp":"19700101T000009Z"}"#;
    std::fs::write(named(".restored"), mark).unwrap();
    assert_eq!(accepted(&store).await, 8);
    assert!(!named(".restored").exists());

    // The old database is moved and its log is not: whoever served now would
    // serve an empty store.
    std::fs::write(named(".restored"), mark).unwrap();
    let keeper = Connection::open(&store).unwrap();
    keeper
        .execute_batch("UPDATE installation SET stale = 77")
        .unwrap();
    let log = std::fs::read(named("-wal")).unwrap();
    assert!(!log.is_empty());
    std::fs::copy(&store, &aside).unwrap();
    drop(keeper);
    std::fs::remove_file(&store).unwrap();
    std::fs::write(named("-wal"), &log).unwrap();
    for _ in 0..2 {
        let error = opened(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("interrupted"), "{error}");
    }
    assert!(!store.exists());

    // Done again, it finishes what it had begun: the log goes with its database.
    let restoring = Restoring::begin(&store).unwrap();
    assert!(!restoring.replaces());
    std::fs::copy(&copied, restoring.prepared()).unwrap();
    let placed = restoring.place(Timestamp(10_000_000)).unwrap();
    assert_eq!(placed.moved_aside, None);
    assert_eq!(accepted(&store).await, 3);
    let old = Connection::open(&aside).unwrap();
    let stale: i64 = old
        .query_row("SELECT stale FROM installation", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stale, 77);
}
