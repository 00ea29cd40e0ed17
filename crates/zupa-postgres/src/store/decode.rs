//! Reading columns into words of the core.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use zupa_core::{Digest, Error, ErrorKind, Lane, Result, Timestamp};

/// A column that does not hold what the schema says.
pub(crate) fn broken(source: sqlx::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "a stored row cannot be read").with_source(source)
}

/// A word that is not one of ours.
pub(crate) fn unknown(word: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "a stored state is not one of ours").with("state", word)
}

pub(crate) fn uuid(row: &PgRow, column: usize) -> Result<Uuid> {
    row.try_get(column).map_err(broken)
}

pub(crate) fn maybe_uuid(row: &PgRow, column: usize) -> Result<Option<Uuid>> {
    row.try_get(column).map_err(broken)
}

pub(crate) fn digest(row: &PgRow, column: usize) -> Result<Digest> {
    let bytes: &[u8] = row.try_get(column).map_err(broken)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::new(ErrorKind::Corrupt, "a stored digest has not 32 bytes"))?;
    Ok(Digest(bytes))
}

/// A `bigint` that is never negative.
pub(crate) fn number(row: &PgRow, column: usize) -> Result<u64> {
    let number: i64 = row.try_get(column).map_err(broken)?;
    u64::try_from(number).map_err(|_| Error::new(ErrorKind::Corrupt, "a stored number is negative"))
}

/// An `integer` that is never negative.
pub(crate) fn count(row: &PgRow, column: usize) -> Result<u32> {
    let number: i32 = row.try_get(column).map_err(broken)?;
    u32::try_from(number).map_err(|_| Error::new(ErrorKind::Corrupt, "a stored count is negative"))
}

pub(crate) fn time(row: &PgRow, column: usize) -> Result<Timestamp> {
    row.try_get(column).map(Timestamp).map_err(broken)
}

pub(crate) fn maybe_time(row: &PgRow, column: usize) -> Result<Option<Timestamp>> {
    let time: Option<i64> = row.try_get(column).map_err(broken)?;
    Ok(time.map(Timestamp))
}

pub(crate) fn text(row: &PgRow, column: usize) -> Result<String> {
    row.try_get(column).map_err(broken)
}

pub(crate) fn maybe_text(row: &PgRow, column: usize) -> Result<Option<String>> {
    row.try_get(column).map_err(broken)
}

pub(crate) fn lane(row: &PgRow, column: usize) -> Result<Lane> {
    let text: &str = row.try_get(column).map_err(broken)?;
    Lane::parse(text).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "a stored lane is not one of ours").with("lane", text)
    })
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &PgRow, column: usize) -> Result<T> {
    parse(row.try_get(column).map_err(broken)?)
}

pub(crate) fn maybe_json<T: serde::de::DeserializeOwned>(
    row: &PgRow,
    column: usize,
) -> Result<Option<T>> {
    let text: Option<&str> = row.try_get(column).map_err(broken)?;
    text.map(parse).transpose()
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "stored JSON cannot be read").with_source(source)
    })
}
