//! Copies of a store: taken while it is served, checked, and put back.
//!
//! Reading order: how a file is copied ([`copy`]), what is in one
//! ([`contents`]), whether it holds together ([`check`]), how one takes the
//! store's place ([`Restoring`]).

mod check;
mod contents;
mod copy;
mod restore;

pub use check::{Checked, check};
pub use contents::{Contents, contents};
pub use copy::copy;
pub(crate) use restore::settle;
pub use restore::{Placed, Restoring, was_interrupted};

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use zupa_core::{Error, Result};

use crate::error;

/// Whether somebody may be writing a file that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A store, perhaps served at this moment.
    Live,
    /// A copy that nobody writes: it is read without a trace beside it.
    Still,
}

/// Opens a file for reading alone.
fn open(path: &Path, kept: Kept) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match kept {
        Kept::Live => Connection::open_with_flags(path, flags),
        Kept::Still => {
            flags |= OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(still(path), flags)
        }
    };
    opened
        .and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(5))?;
            Ok(connection)
        })
        .map_err(|source| failed("a database cannot be opened", path, source))
}

/// A file that nobody writes, as SQLite wants to be told so.
fn still(path: &Path) -> String {
    let escaped: String = path
        .display()
        .to_string()
        .chars()
        .map(|letter| match letter {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            other => other.to_string(),
        })
        .collect();
    format!("file:{escaped}?immutable=1")
}

fn failed(attempted: &'static str, path: &Path, source: rusqlite::Error) -> Error {
    error::of_writer(attempted, source).with("path", path.display())
}
