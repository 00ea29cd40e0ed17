//! Small words for small statements: run, one row, maybe a row. Statements stay
//! prepared.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Deref;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, PrepFlags, Row, Statement};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zupa_core::{Error, ErrorKind, Result};

use crate::error;

/// An id of ours as it is stored.
pub(super) type Blob = [u8; 16];

/// The writing connection, and what was prepared on it.
///
/// Not rusqlite's cache: that looks a statement up by its whole text, twice for each use.
#[derive(Debug)]
pub(super) struct Prepared<'c> {
    connection: &'c Connection,
    /// By where their text lies. The texts are ours, so there are not many.
    statements: RefCell<BTreeMap<(usize, usize), Statement<'c>>>,
}

impl<'c> Prepared<'c> {
    pub(super) fn on(connection: &'c Connection) -> Self {
        Self {
            connection,
            statements: RefCell::default(),
        }
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) fn run(&self, sql: &'static str, params: impl Params) -> Result<usize> {
        self.with(sql, |statement| statement.execute(params))
    }

    /// Reads a row that is there.
    pub(super) fn one<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.with(sql, |statement| statement.query_row(params, read))
    }

    /// Reads a row that may be there.
    pub(super) fn maybe<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.with(sql, |statement| {
            statement.query_row(params, read).optional()
        })
    }

    /// Reads all rows.
    pub(super) fn all<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.with(sql, |statement| {
            statement.query_map(params, read)?.collect()
        })
    }

    /// Uses a statement. What was bound goes with it: a row may be large.
    fn with<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut Statement<'c>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut statements = self.statements.borrow_mut();
        let statement = match statements.entry((sql.as_ptr().addr(), sql.len())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let flags = PrepFlags::SQLITE_PREPARE_PERSISTENT;
                let prepared = self.connection.prepare_with_flags(sql, flags);
                new.insert(prepared.map_err(failed)?)
            }
        };
        let done = work(statement);
        statement.clear_bindings();
        done.map_err(failed)
    }
}

impl Deref for Prepared<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
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
