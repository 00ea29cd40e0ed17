//! Reading columns into words of the core.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;
use zupa_core::{Digest, Error, ErrorKind, HoldKind, Lane, Result};

/// A column that does not hold what the schema says.
pub(crate) fn broken(source: sqlx::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "a stored row cannot be read").with_source(source)
}

pub(crate) fn uuid(row: &SqliteRow, column: usize) -> Result<Uuid> {
    let bytes: &[u8] = row.try_get(column).map_err(broken)?;
    uuid_of(bytes)
}

pub(crate) fn uuid_of(bytes: &[u8]) -> Result<Uuid> {
    Uuid::from_slice(bytes).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "a stored id is not a UUID").with_source(source)
    })
}

pub(crate) fn digest(row: &SqliteRow, column: usize) -> Result<Digest> {
    let bytes: &[u8] = row.try_get(column).map_err(broken)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::new(ErrorKind::Corrupt, "a stored digest has not 32 bytes"))?;
    Ok(Digest(bytes))
}

pub(crate) fn number(row: &SqliteRow, column: usize) -> Result<u64> {
    let number: i64 = row.try_get(column).map_err(broken)?;
    u64::try_from(number).map_err(|_| Error::new(ErrorKind::Corrupt, "a stored number is negative"))
}

pub(crate) fn count(row: &SqliteRow, column: usize) -> Result<u32> {
    let number: i64 = row.try_get(column).map_err(broken)?;
    u32::try_from(number)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "a stored count is out of range"))
}

pub(crate) fn text(row: &SqliteRow, column: usize) -> Result<String> {
    row.try_get(column).map_err(broken)
}

pub(crate) fn maybe_text(row: &SqliteRow, column: usize) -> Result<Option<String>> {
    row.try_get(column).map_err(broken)
}

pub(crate) fn hold_kind(text: &str) -> Result<HoldKind> {
    HoldKind::parse(text).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "a stored hold is of no kind of ours").with("kind", text)
    })
}

pub(crate) fn lane(row: &SqliteRow, column: usize) -> Result<Lane> {
    let text: &str = row.try_get(column).map_err(broken)?;
    Lane::parse(text).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "a stored lane is not one of ours").with("lane", text)
    })
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: usize) -> Result<T> {
    let text: &str = row.try_get(column).map_err(broken)?;
    serde_json::from_str(text).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "stored JSON cannot be read").with_source(source)
    })
}
