//! What SQLite says, in words of the core. By code, never by message.

use std::time::Duration;

use zupa_core::{Error, ErrorKind, Retry};

// Primary result codes, the low byte of an extended one.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const CONSTRAINT: u32 = 19;
const NOTADB: u32 = 26;
// Extended ones: a flush of the file, of its folder.
const IOERR_FSYNC: u32 = 1034;
const IOERR_DIR_FSYNC: u32 = 1290;
// No room for the index of the log.
const IOERR_SHMSIZE: u32 = 4874;

/// What the writing connection said, and what was attempted.
pub(crate) fn of_writer(attempted: &'static str, source: rusqlite::Error) -> Error {
    let code = match &source {
        rusqlite::Error::SqliteFailure(failure, _) => Some(failure.extended_code.cast_unsigned()),
        _ => None,
    };
    let kind = match &source {
        // A column that does not hold what the schema says.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows => ErrorKind::Corrupt,
        _ => ErrorKind::Internal,
    };
    build(attempted, code, (kind, Retry::Never), source)
}

/// What a reading connection said, and what was attempted.
pub(crate) fn of_reader(attempted: &'static str, source: sqlx::Error) -> Error {
    let code = match &source {
        sqlx::Error::Database(database) => {
            database.code().and_then(|code| code.parse::<u32>().ok())
        }
        _ => None,
    };
    let otherwise = match &source {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            (ErrorKind::Unavailable, Retry::Now)
        }
        sqlx::Error::Io(_) => (ErrorKind::Unavailable, Retry::After(Duration::from_secs(1))),
        _ => (ErrorKind::Internal, Retry::Never),
    };
    build(attempted, code, otherwise, source)
}

fn build(
    attempted: &'static str,
    code: Option<u32>,
    otherwise: (ErrorKind, Retry),
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    let (kind, retry) = code.map_or(otherwise, classify);
    let error = Error::new(kind, attempted).with_retry(retry);
    match code {
        Some(code) => error.with("sqlite_code", code).with_source(source),
        None => error.with_source(source),
    }
}

fn classify(code: u32) -> (ErrorKind, Retry) {
    match (code & 0xff, code) {
        (_, IOERR_FSYNC | IOERR_DIR_FSYNC) => (ErrorKind::DurabilityLost, Retry::Never),
        (FULL, _) | (_, IOERR_SHMSIZE) => (ErrorKind::Full, Retry::After(Duration::from_secs(1))),
        (BUSY | LOCKED, _) => (ErrorKind::Unavailable, Retry::Now),
        (READONLY | CANTOPEN | IOERR, _) => {
            (ErrorKind::Unavailable, Retry::After(Duration::from_secs(1)))
        }
        (CORRUPT | NOTADB, _) => (ErrorKind::Corrupt, Retry::Never),
        (CONSTRAINT, _) => (ErrorKind::Conflict, Retry::Never),
        _ => (ErrorKind::Internal, Retry::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_the_kind() {
        for (code, kind) in [
            (13, ErrorKind::Full),
            (1034, ErrorKind::DurabilityLost),
            (1290, ErrorKind::DurabilityLost),
            (4874, ErrorKind::Full),
            (778, ErrorKind::Unavailable),
            (5, ErrorKind::Unavailable),
            (11, ErrorKind::Corrupt),
            (26, ErrorKind::Corrupt),
            (2067, ErrorKind::Conflict),
            (1555, ErrorKind::Conflict),
            (1, ErrorKind::Internal),
        ] {
            assert_eq!(classify(code).0, kind, "code {code}");
        }
    }
}
