//! Putting a copy where the store is, so that a death at any moment leaves the
//! old store, the new one, or a refusal to start; never a mixture.
//!
//! A mark beside the store says that the next start has to check what it finds.
//! It is written before anything is moved and goes when the check is passed. The
//! old database goes first and its log after it: a database without its log
//! would look whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zupa_core::{Error, ErrorKind, Result, Timestamp};

use super::{Checked, Kept, check};
use crate::lock::Lock;

/// A store that is about to be replaced. It keeps its lock until it is placed or
/// dropped, so nobody serves it meanwhile.
#[derive(Debug)]
pub struct Restoring {
    store: PathBuf,
    _lock: Lock,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where the store lies now that was there before.
    pub moved_aside: Option<PathBuf>,
}

/// What the mark holds.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    version: u32,
    /// When the restore began, as it stands in the names of what was moved.
    stamp: String,
}

impl Restoring {
    /// Takes the store's lock; makes its folder if it is missing.
    ///
    /// *Errors*: [`ErrorKind::Conflict`] while a process serves the store.
    pub fn begin(store: &Path) -> Result<Self> {
        crate::open::make_folder(store)?;
        let lock = Lock::take(store)?;
        let restoring = Self {
            store: store.to_owned(),
            _lock: lock,
        };
        restoring.tidy()?;
        Ok(restoring)
    }

    /// True when a store is there, that [`Self::place`] would move aside.
    pub fn replaces(&self) -> bool {
        self.store.exists()
    }

    /// Where the new database is to be written, whole and flushed, before it is
    /// placed.
    pub fn prepared(&self) -> PathBuf {
        beside(&self.store, "restoring")
    }

    /// Puts the prepared file in the store's place; a store that is there is
    /// moved aside.
    ///
    /// *Behaviour*: durable when it returns. The next start checks the store.
    /// *Errors*: [`ErrorKind::Unavailable`] when files cannot be moved; what was
    /// moved is where the mark says, and doing it again finishes it.
    pub fn place(self, now: Timestamp) -> Result<Placed> {
        let stamp = stamp(now);
        let aside = aside(&self.store, &stamp);
        let replaces = self.replaces();
        self.mark(&stamp)?;
        if replaces {
            rename(&self.store, &aside)?;
        }
        move_log(&self.store, &aside)?;
        flush_folder(&self.store)?;
        rename(&self.prepared(), &self.store)?;
        flush_folder(&self.store)?;
        Ok(Placed {
            moved_aside: replaces.then_some(aside),
        })
    }

    /// Finishes what an interrupted restore had begun to move, and forgets what
    /// it had prepared.
    fn tidy(&self) -> Result<()> {
        if let Some(mark) = read_mark(&self.store)?
            && !self.store.exists()
        {
            move_log(&self.store, &aside(&self.store, &mark.stamp))?;
            flush_folder(&self.store)?;
        }
        match fs::remove_file(self.prepared()) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(unmovable(&self.prepared(), source))
            }
            _ => Ok(()),
        }
    }

    fn mark(&self, stamp: &str) -> Result<()> {
        let mark = Mark {
            version: 1,
            stamp: stamp.to_owned(),
        };
        let text = serde_json::to_vec(&mark).unwrap_or_default();
        let path = beside(&self.store, "restored");
        let new = beside(&self.store, "restored.new");
        let written = fs::write(&new, text).and_then(|()| File::open(&new)?.sync_all());
        written.map_err(|source| unmovable(&new, source))?;
        rename(&new, &path)?;
        flush_folder(&self.store)
    }
}

/// True when a restore died after the old store was moved and before the new one
/// was in its place: there is no store, and opening says why.
pub fn was_interrupted(store: &Path) -> bool {
    !store.exists() && matches!(read_mark(store), Ok(Some(_)))
}

/// Checks a store that was restored and not started since, and takes the mark
/// away. Answers what was checked, if there was a mark.
///
/// *Errors*: [`ErrorKind::Corrupt`] when it does not hold together;
/// [`ErrorKind::Unavailable`] when the restore was interrupted half-way.
pub(crate) fn settle(store: &Path) -> Result<Option<Checked>> {
    if read_mark(store)?.is_none() {
        return Ok(None);
    }
    if !store.exists() {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "a restore was interrupted before the store was in its place; do it again",
        )
        .with("path", store.display()));
    }
    let checked = check(store, Kept::Live)?;
    let mark = beside(store, "restored");
    fs::remove_file(&mark).map_err(|source| unmovable(&mark, source))?;
    flush_folder(store)?;
    Ok(Some(checked))
}

/// A mark that cannot be read is one: its writer died at it, and nothing was
/// moved yet.
fn read_mark(store: &Path) -> Result<Option<Mark>> {
    let path = beside(store, "restored");
    match fs::read(&path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text).unwrap_or(Mark {
            version: 1,
            stamp: "unknown".to_owned(),
        }))),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // No folder, or no right to look into it: opening will say so better.
        Err(_) => Ok(None),
    }
}

/// The log goes with the database it belongs to; its index can be made anew.
fn move_log(store: &Path, aside: &Path) -> Result<()> {
    for suffix in ["-wal", "-shm"] {
        let from = joined(store, suffix);
        if from.exists() {
            rename(&from, &joined(aside, suffix))?;
        }
    }
    Ok(())
}

/// `2026-08-01T12:00:00.5Z` as a part of a file's name.
fn stamp(now: Timestamp) -> String {
    now.to_string()
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .collect()
}

fn aside(store: &Path, stamp: &str) -> PathBuf {
    beside(store, &format!("before-restore-{stamp}"))
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    joined(store, &format!(".{suffix}"))
}

fn joined(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|source| unmovable(from, source))
}

fn flush_folder(store: &Path) -> Result<()> {
    let folder = match store.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| {
            Error::new(
                ErrorKind::DurabilityLost,
                "the store's folder cannot be flushed",
            )
            .with("path", folder.display())
            .with_source(source)
        })
}

fn unmovable(path: &Path, source: std::io::Error) -> Error {
    let kind = match source.kind() {
        std::io::ErrorKind::StorageFull => ErrorKind::Full,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "a file of the restore cannot be moved or written")
        .with("path", path.display())
        .with_source(source)
}
