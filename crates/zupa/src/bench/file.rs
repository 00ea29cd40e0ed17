//! What a database file weighs, asked through a connection of our own, so that
//! floor and path are treated alike.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::cannot;
use crate::cli::Failure;

/// A page in the log: SQLite's default page and the frame around it.
const FRAME: u64 = 4_096 + 24;

/// Bytes of the database, its log moved in or not: what the file measures after
/// a whole checkpoint.
pub(super) fn stored_bytes(file: &Path) -> Result<u64, Failure> {
    let connection = open(file)?;
    let ask = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
            .map_err(cannot("measure the database"))
    };
    Ok(ask("page_count")? * ask("page_size")?)
}

/// Counts what is written to the log: while it lives, a reader's snapshot keeps
/// the log from starting anew, so every page ever written stays in it.
#[derive(Debug)]
pub(super) struct LogCount {
    file: PathBuf,
    reader: Connection,
    frames: u64,
    generation: [u8; 4],
}

impl LogCount {
    pub(super) fn start(file: &Path) -> Result<Self, Failure> {
        let frames = frames(file)?;
        let reader = open(file)?;
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")
            .map_err(cannot("hold a snapshot"))?;
        Ok(Self {
            file: file.to_owned(),
            reader,
            frames,
            generation: generation(file)?,
        })
    }

    /// Bytes written to the log since the start.
    pub(super) fn bytes(&self) -> Result<u64, Failure> {
        // Everything was checkpointed at the start, so the first write after it
        // may have begun the log anew; then all that is in it came since.
        let anew = generation(&self.file)? != self.generation;
        let before = if anew { 0 } else { self.frames };
        Ok(frames(&self.file)?.saturating_sub(before) * FRAME)
    }
}

impl Drop for LogCount {
    fn drop(&mut self) {
        // Ends the snapshot; the connection goes anyway.
        let _ = self.reader.execute_batch("COMMIT");
    }
}

/// Pages in the log now; also moves what can be moved into the main file.
fn frames(file: &Path) -> Result<u64, Failure> {
    open(file)?
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            row.get::<_, i64>(1)
        })
        .map(|frames| u64::try_from(frames).unwrap_or(0))
        .map_err(cannot("measure the log"))
}

/// The checkpoint sequence number in the log's header: another one, another log.
fn generation(file: &Path) -> Result<[u8; 4], Failure> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let mut header = [0; 16];
    let read = File::open(log).and_then(|mut log| log.read_exact(&mut header));
    match read {
        Ok(()) => Ok([header[12], header[13], header[14], header[15]]),
        // A log without a page has no header yet.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok([0; 4]),
        Err(error) => Err(cannot("measure the log")(error)),
    }
}

fn open(file: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(file, flags).map_err(cannot("open the database"))?;
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .map_err(cannot("open the database"))?;
    Ok(connection)
}
