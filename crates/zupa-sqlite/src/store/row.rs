//! Small words for small statements: run, one row, maybe a row. Statements stay
//! prepared by their text.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zupa_core::{Error, ErrorKind, Result};

use crate::error;

/// An id of ours as it is stored.
pub(super) type Blob = [u8; 16];

/// Statements on the writing connection.
pub(super) trait Sql {
    /// Runs a statement; answers how many rows it changed.
    fn run(&self, sql: &'static str, params: impl Params) -> Result<usize>;

    /// Reads a row that is there.
    fn one<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T>;

    /// Reads a row that may be there.
    fn maybe<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>>;

    /// Reads all rows.
    fn all<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>>;
}

impl Sql for Connection {
    fn run(&self, sql: &'static str, params: impl Params) -> Result<usize> {
        self.prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(failed)
    }

    fn one<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read))
            .map_err(failed)
    }

    fn maybe<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read).optional())
            .map_err(failed)
    }

    fn all<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(failed)
    }
}

/// The first column.
pub(super) fn one<T: FromSql>(row: &Row<'_>) -> rusqlite::Result<T> {
    row.get(0)
}

/// A value as a JSON column.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|source| Error::invalid("a value cannot be spelled as JSON").with_source(source))
}

/// A JSON column as a value.
pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "stored JSON cannot be read").with_source(source)
    })
}

pub(super) fn failed(source: rusqlite::Error) -> Error {
    error::of_writer("write to the store", source)
}
