//! The server that is measured: a database of our own on it, its settings, and
//! what it has written. Asked through psql, so that neither program's own
//! connections do it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Serialize;

use super::super::cannot;
use super::super::place::Place;
use super::super::workload::Durability;
use super::url;
use crate::cli::{Code, Failure};

/// Where Debian keeps each version's programs; elsewhere the search path has them.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Whatever was measured, away with it.
const CLEAN: &str = "DROP SCHEMA IF EXISTS zupa, zupa_bench CASCADE";

/// A server, and where on it we may write.
pub(super) struct Server {
    psql: PathBuf,
    durability: Durability,
    /// The URL that was given.
    given: String,
    /// The URL of the database that is used.
    used: String,
    ours: Ours,
}

/// What was made for the benchmark, and goes with it. Nothing else is ever
/// dropped.
enum Ours {
    Nothing,
    /// A database of this name.
    Database(String),
    /// The schemas in a database that had none of them.
    Schemas,
}

/// What decides how much a commit is worth there.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub version: String,
    pub synchronous_commit: String,
    pub fsync: String,
    pub full_page_writes: String,
    pub shared_buffers: String,
}

impl Server {
    /// Finds a place for the benchmark: a database of our own if the role may
    /// make one, else the given one. One that has a schema `zupa` is refused.
    pub(super) fn prepare(given: &str, durability: Durability) -> Result<Self, Failure> {
        let Some(psql) = program("psql") else {
            return Err(Failure::new(
                Code::NotFound,
                "the benchmark makes a database of its own with psql, which is not here",
            )
            .try_this(
                "install the Postgres client programs, as in `apt-get install postgresql-client`",
            ));
        };
        let mut server = Self {
            psql,
            durability,
            given: given.to_owned(),
            used: given.to_owned(),
            ours: Ours::Nothing,
        };
        let may_create =
            "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user";
        if server.ask(may_create)? == "t" {
            let name = format!("zupa_bench_{}", std::process::id());
            server.ask(&format!("CREATE DATABASE {name}"))?;
            server.used = url::with_database(given, &name);
            server.ours = Ours::Database(name);
            return Ok(server);
        }
        let taken = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('zupa', 'zupa_bench')";
        if server.ask(taken)? != "0" {
            return Err(Failure::new(
                Code::Usage,
                "the database has a schema zupa, which the benchmark would have to replace",
            )
            .because("this role may not make a database for the benchmark alone")
            .try_this("an empty database, or a role with CREATEDB"));
        }
        server.ours = Ours::Schemas;
        Ok(server)
    }

    /// Makes the schema of the store, new and empty.
    pub(super) fn fresh(&self) -> Result<Place, Failure> {
        self.ask(CLEAN)?;
        let place = Place::Database(self.used.clone());
        let threads = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot("start threads"))?;
        // So that the bytes of the schema are not taken for those of turns.
        threads.block_on(place.open(self.durability)).map(drop)?;
        threads.shutdown_background();
        Ok(place)
    }

    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let show = |name: &str| self.ask(&format!("SHOW {name}"));
        Ok(Settings {
            version: show("server_version")?,
            synchronous_commit: show("synchronous_commit")?,
            fsync: show("fsync")?,
            full_page_writes: show("full_page_writes")?,
            shared_buffers: show("shared_buffers")?,
        })
    }

    /// Bytes that the store's tables and indexes take.
    pub(super) fn stored_bytes(&self) -> Result<u64, Failure> {
        self.count(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'zupa' AND c.relkind = 'r'",
        )
    }

    /// Bytes that the server has ever written to its log, for whomever.
    pub(super) fn log_bytes(&self) -> Result<u64, Failure> {
        self.count("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    }

    fn count(&self, sql: &str) -> Result<u64, Failure> {
        self.ask(sql)?.parse().map_err(cannot("read a number"))
    }

    /// Runs a script on the database that is used.
    pub(super) fn run_file(&self, script: &Path) -> Result<(), Failure> {
        let mut psql = self.client(&self.psql);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(script)
            .arg(self.place());
        said(psql.output()).map(drop)
    }

    /// What the server answers, as one text.
    fn ask(&self, sql: &str) -> Result<String, Failure> {
        self.ask_at(&self.used, sql)
    }

    fn ask_at(&self, url: &str, sql: &str) -> Result<String, Failure> {
        let mut psql = self.client(&self.psql);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(url::without_password(url).0);
        said(psql.output())
    }

    /// The last argument of a client program: the database that is used.
    pub(super) fn place(&self) -> String {
        url::without_password(&self.used).0
    }

    /// A client program whose sessions wait for what the path's own wait for.
    pub(super) fn client(&self, program: &Path) -> Command {
        let mut client = Command::new(program);
        let synchronous = match self.durability {
            Durability::Full => "",
            Durability::Normal => " -c synchronous_commit=off",
        };
        client
            .stdin(Stdio::null())
            .env("PGCONNECT_TIMEOUT", "5")
            .env("PGAPPNAME", "zupa bench")
            .env(
                "PGOPTIONS",
                format!("-c search_path=zupa_bench -c client_min_messages=warning{synchronous}"),
            );
        if let (_, Some(password)) = url::without_password(&self.given) {
            client.env("PGPASSWORD", password);
        }
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What stays behind is in nobody's way, and has our name.
        let _ = match &self.ours {
            Ours::Nothing => return,
            Ours::Database(name) => {
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                self.ask_at(&self.given, &drop)
            }
            Ours::Schemas => self.ask(CLEAN),
        };
    }
}

fn said(output: std::io::Result<Output>) -> Result<String, Failure> {
    let output = output.map_err(cannot("start psql"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    // psql ends with 2 when there is no connection.
    let code = match output.status.code() {
        Some(2) => Code::Unreachable,
        _ => Code::Failed,
    };
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(code, "the benchmark could not ask the server").because(why.trim()))
}

/// One of the programs that come with Postgres: of the newest version that is
/// installed, or wherever the search path leads.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(PROGRAMS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin").join(name)))
        })
        .filter(|(_, program)| program.is_file())
        .collect();
    versions.sort();
    versions.pop().map(|(_, program)| program).or_else(|| {
        let asked = Command::new(name).arg("--version").output().ok()?;
        asked.status.success().then(|| PathBuf::from(name))
    })
}
