//! One consistent moment of a store, page by page, while commits go on.
//!
//! Through SQLite's backup interface and not `VACUUM INTO`: that may give rows
//! new row ids, and turns point at their audit entries by row id.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use zupa_core::{Error, ErrorKind, Result};

use super::{Kept, failed, open};

/// Tries before a store that never stands still is given up.
const TRIES: u32 = 20;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(250);

/// Copies the store at `from` into the new file `to`, which the caller flushes.
///
/// *Behaviour*: everything committed before the call is in the copy. One read
/// transaction holds one moment of the store: commits go on meanwhile, and only
/// the log grows until the copy is done. Row ids stay. Blocks the thread.
/// *Errors*: [`ErrorKind::Conflict`] when there is a file at `to`; else what
/// reading and writing files may give.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let source = open(from, Kept::Live)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(|source| {
            let kind = match source.kind() {
                std::io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
                std::io::ErrorKind::StorageFull => ErrorKind::Full,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, "the copy's file cannot be made")
                .with("path", to.display())
                .with_source(source)
        })?;
    let written = |source| failed("copy the store", to, source);
    let mut copy = Connection::open(to).map_err(written)?;
    // A copy that is cut short is thrown away, so it needs no way back.
    copy.pragma_update(None, "journal_mode", "OFF")
        .and_then(|()| copy.pragma_update(None, "synchronous", "OFF"))
        .map_err(written)?;
    let backup = Backup::new(&source, &mut copy).map_err(written)?;
    for _ in 0..TRIES {
        match backup.step(-1).map_err(written)? {
            StepResult::Done => return Ok(()),
            _ => std::thread::sleep(PAUSE),
        }
    }
    Err(
        Error::new(ErrorKind::Unavailable, "the store was busy all the time")
            .with("path", from.display()),
    )
}
