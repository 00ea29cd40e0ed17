//! The database file is sound, says SQLite's own command line.
//!
//! A copy is looked at: opening the file itself would replay its log and so
//! spare the server the recovery that the next start is meant to test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{Check, Violation};

/// Nothing when there is no `sqlite3` to ask.
pub fn check(database: &Path) -> anyhow::Result<Option<Vec<Violation>>> {
    if Command::new("sqlite3").arg("-version").output().is_err() {
        return Ok(None);
    }
    let copy = copy(database)?;
    let asked = Command::new("sqlite3")
        .arg(&copy)
        .arg("PRAGMA integrity_check")
        .output()
        .context("cannot run sqlite3")?;
    let answer = [asked.stdout, asked.stderr].concat();
    let violations = verdict(&String::from_utf8_lossy(&answer));
    if violations.is_empty() {
        remove(&copy)?;
    }
    Ok(Some(violations))
}

fn verdict(answer: &str) -> Vec<Violation> {
    if answer.trim() == "ok" {
        return Vec::new();
    }
    let first: String = answer.chars().take(300).collect();
    vec![Violation::new(
        Check::Integrity,
        format!("integrity_check says: {}", first.trim()),
    )]
}

/// The file with its write-ahead log. The index of the log is rebuilt from it.
fn copy(database: &Path) -> anyhow::Result<PathBuf> {
    ensure!(database.exists(), "there is no {}", database.display());
    let copy = with(database, ".copy");
    remove(&copy)?;
    fs::copy(database, &copy)?;
    if with(database, "-wal").exists() {
        fs::copy(with(database, "-wal"), with(&copy, "-wal"))?;
    }
    Ok(copy)
}

fn remove(copy: &Path) -> anyhow::Result<()> {
    for file in [copy.to_owned(), with(copy, "-wal"), with(copy, "-shm")] {
        if file.exists() {
            fs::remove_file(&file)?;
        }
    }
    Ok(())
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::super::planted::details;
    use super::*;

    #[test]
    fn only_ok_is_ok() {
        assert!(verdict("ok\n").is_empty());
        assert_eq!(
            details(&verdict("row 3 missing from index i\n")),
            ["integrity_check says: row 3 missing from index i"]
        );
        assert_eq!(verdict("").len(), 1);
        assert_eq!(verdict("Error: file is not a database").len(), 1);
    }

    #[test]
    fn a_damaged_file_is_caught() -> anyhow::Result<()> {
        let path = std::env::temp_dir().join(format!("integrity-{}.db", std::process::id()));
        fs::write(
            &path,
            "SQLite format 3\0 and then nothing of the kind".repeat(40),
        )?;
        let found = check(&path)?;
        remove(&path)?;
        remove(&with(&path, ".copy"))?;
        match found {
            Some(found) => assert_eq!(found.len(), 1),
            None => eprintln!("skipped: there is no sqlite3"),
        }
        Ok(())
    }
}
