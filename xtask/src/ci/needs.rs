//! What the tests need beside cargo: a PostgreSQL, which stays until the run ends.

use std::env;
use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use super::Outcome;
use super::command::target_folder;
use crate::services::postgres::{Postgres, TEST_DATABASE, TEST_URL};

/// Where the tests find a PostgreSQL.
enum Database {
    /// The caller has one and says where.
    Given,
    /// Ours; dropping it stops it.
    Started { server: Postgres, url: String },
    /// There is none, so the tests that need one skip themselves.
    Missing,
}

/// Started when the first step asks, stopped when this is dropped.
#[derive(Default)]
pub struct Needs {
    database: Option<Database>,
}

impl Needs {
    /// Sees to a PostgreSQL. Under `CI=true` there must be one.
    pub fn postgres(&mut self) -> Result<Outcome> {
        Ok(match self.database()? {
            Database::Given | Database::Started { .. } => Outcome::Done,
            Database::Missing => Outcome::Skipped(
                "PostgreSQL is not installed: the tests that need it say so".to_owned(),
            ),
        })
    }

    /// Tells a command that runs tests where everything is.
    pub fn give(&mut self, command: &mut Command) -> Result<()> {
        if let Database::Started { url, .. } = self.database()? {
            command.env(TEST_URL, url);
        }
        Ok(())
    }

    /// What our server said, for whoever looks into a failed step; the server and
    /// its folder go with the run.
    pub fn keep_logs(&self) {
        let Some(Database::Started { server, .. }) = &self.database else {
            return;
        };
        if let Ok(target) = target_folder() {
            let log = target.join("services/postgres.log");
            if fs::copy(server.folder().join("log"), &log).is_ok() {
                eprintln!("    what PostgreSQL said: {}", log.display());
            }
        }
    }

    fn database(&mut self) -> Result<&Database> {
        let database = match self.database.take() {
            Some(database) => database,
            None => find()?,
        };
        Ok(self.database.insert(database))
    }
}

fn find() -> Result<Database> {
    if env::var_os(TEST_URL).is_some_and(|url| !url.is_empty()) {
        eprintln!("    {TEST_URL} is set: the tests use that server");
        return Ok(Database::Given);
    }
    if Postgres::find().is_none() {
        if env::var_os("CI").is_some_and(|value| value == "true") {
            bail!(
                "PostgreSQL is not installed\n  why: under CI=true no suite may be skipped\n  \
                 try: .ci/run, which installs it, or set {TEST_URL}"
            );
        }
        return Ok(Database::Missing);
    }
    let server = Postgres::start()?;
    // These tests make hundreds of databases and prove nothing about the disk; the
    // kill harness, which does, has a server of its own.
    server.psql("postgres", "alter system set fsync = off")?;
    server.psql("postgres", "select pg_reload_conf()")?;
    let url = server.create_database(TEST_DATABASE)?;
    eprintln!("    {TEST_URL}={url}");
    Ok(Database::Started { server, url })
}
