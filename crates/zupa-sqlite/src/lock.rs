//! One process per file: an exclusive lock on a file beside the database, held
//! as long as the process serves. It goes with the process, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zupa_core::{Error, ErrorKind, Result, Retry};

/// The held lock; dropping it lets the next process in.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(database: &Path) -> Result<Self> {
        let path = lock_path(database);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| unwritable(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Conflict,
                "another process is serving this store",
            )
            .with("store", database.display())
            .with_retry(Retry::After(Duration::from_secs(1)))),
            Err(TryLockError::Error(source)) => Err(unwritable(&path, source)),
        }
    }
}

/// True while some process serves the store at `database`.
pub fn is_locked(database: &Path) -> bool {
    File::open(lock_path(database))
        .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the store's folder cannot be written",
    )
    .with("path", path.display())
    .with_source(source)
}
