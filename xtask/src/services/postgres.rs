//! A throw-away PostgreSQL from the installed binaries: durable like a real one,
//! reachable on this machine only, gone with the value that holds it.
//!
//! `tools` runs the binaries, as somebody who is not root; `place` finds a folder
//! and a port; `keeper` outlives us for the moment that it takes to clean up.

mod keeper;
mod place;
mod tools;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use keeper::Keeper;
use tools::Tools;

/// The variable in which the tests look for the address of a server.
pub const TEST_URL: &str = "ZUPA_TEST_POSTGRES_URL";
/// The database that this address names.
pub const TEST_DATABASE: &str = "zupa";

/// The superuser, and the role that everything under test logs in as.
const SUPERUSER: &str = "postgres";
const ROLE: &str = "zupa";

/// Tests make databases, and roles that may do less. `zupa_password` is the only
/// one that is asked for its password, so that a wrong one can be tried.
const ROLES: &str = "create role zupa login createdb createrole;
    create role zupa_password login password 'right';";

/// As durable as in production: a commit that was acknowledged survives
/// `stop -m immediate` and `kill -9`. Small, because tests run beside it.
const SETTINGS: &str = "
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 100
shared_buffers = 32MB
max_wal_size = 512MB
huge_pages = off
unix_socket_directories = ''
log_lock_waits = on
log_line_prefix = '%m [%p] %u@%d '
";

const PORTS_TO_TRY: usize = 5;
/// Seconds for a start, recovery included, and for a stop.
const PATIENCE: &str = "60";

/// A running server. Dropping it stops it and removes its folder; so does the
/// end of this process, however it ends.
#[derive(Debug)]
pub struct Postgres {
    tools: Tools,
    folder: PathBuf,
    port: u16,
    /// Declared last: it cleans up when it is dropped.
    _keeper: Keeper,
}

impl Postgres {
    /// The folder of the installed binaries, the newest if there are several;
    /// `None` when PostgreSQL is not installed.
    pub fn find() -> Option<PathBuf> {
        tools::find()
    }

    /// Makes a fresh cluster, starts it on 127.0.0.1 and a free port, and waits
    /// until it answers.
    pub fn start() -> Result<Self> {
        Self::start_listening_on(&[])
    }

    /// As [`Postgres::start`], listening on further addresses, too: one end of a
    /// pair of virtual links, for example. They must be up already. Whoever
    /// reaches one from its own /24 is trusted, as 127.0.0.1 is.
    pub fn start_listening_on(addresses: &[Ipv4Addr]) -> Result<Self> {
        let tools = Tools::new(Self::find().context(MISSING)?)?;
        let folder = place::folder(&tools)?;
        let keeper = Keeper::watch(&folder)?;
        let mut postgres = Self {
            tools,
            folder,
            port: 0,
            _keeper: keeper,
        };
        postgres.initdb()?;
        postgres.configure(addresses)?;
        postgres.start_on_a_free_port()?;
        postgres.psql(SUPERUSER, ROLES)?;
        Ok(postgres)
    }

    /// The port on every address that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it lives: `data/` is the cluster, `log` what it says.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates a database that the role `zupa` owns, and returns its URL.
    pub fn create_database(&self, name: &str) -> Result<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        ensure!(
            !name.is_empty() && name.chars().all(plain),
            "{name:?} is no name for a database: use a-z, 0-9 and _"
        );
        self.psql(SUPERUSER, &format!("create database {name} owner {ROLE}"))?;
        Ok(self.url(name))
    }

    /// The URL of a database as the role `zupa`, which is no superuser but may
    /// create databases and roles.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL as the superuser; columns are separated by `|`, rows by lines.
    /// Several statements are one transaction.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let port = self.port.to_string();
        let output = self.tools.run(
            &self.folder,
            "psql",
            [
                "-XAtq",
                "--host=127.0.0.1",
                "--port",
                &port,
                "--username",
                SUPERUSER,
                "--dbname",
                database,
                "--set=ON_ERROR_STOP=1",
                "--command",
                sql,
            ],
        )?;
        Ok(output.trim_end_matches('\n').to_owned())
    }

    /// Stops it without a farewell, as a crash would: clients lose their
    /// connections, and the next start recovers from the log.
    pub fn stop_immediate(&self) -> Result<()> {
        self.pg_ctl(["stop", "--mode=immediate"])
    }

    /// Starts it again on the same data and port, and waits until it answers.
    pub fn start_again(&self) -> Result<()> {
        let options = format!("-p {}", self.port);
        let log = self.log();
        let arguments = [
            "start".as_ref(),
            "--options".as_ref(),
            options.as_ref(),
            "--log".as_ref(),
            log.as_os_str(),
        ];
        self.pg_ctl(arguments)
            .with_context(|| format!("PostgreSQL does not start: {}", self.last_words()))
    }

    /// The id of the first process, for signals. The others of the server keep
    /// running when it alone is stopped.
    pub fn postmaster(&self) -> Result<i32> {
        let path = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&path).context("PostgreSQL is not running")?;
        let first = text.lines().next().unwrap_or_default();
        first
            .parse()
            .with_context(|| format!("{} holds no process id", path.display()))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Bytes decide how text sorts, whatever the machine's language; flushing
    /// what initdb writes would only protect a cluster that is thrown away.
    fn initdb(&self) -> Result<()> {
        let arguments = [
            "--encoding=UTF8",
            "--no-locale",
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
            "--username",
            SUPERUSER,
            "--pgdata",
        ];
        let data = self.data();
        let arguments = arguments.map(OsStr::new).into_iter();
        let arguments = arguments.chain([data.as_os_str()]);
        self.tools.run(&self.folder, "initdb", arguments)?;
        Ok(())
    }

    // The files exist, so they stay with the owner that initdb gave them.
    fn configure(&self, addresses: &[Ipv4Addr]) -> Result<()> {
        let mut listen = "127.0.0.1".to_owned();
        let mut trusted = "host all zupa_password 127.0.0.1/32 scram-sha-256\n\
                           host all all 127.0.0.1/32 trust\n"
            .to_owned();
        for address in addresses {
            listen.push_str(&format!(",{address}"));
            trusted.push_str(&format!("host all all {address}/24 trust\n"));
        }
        let settings = format!("{SETTINGS}listen_addresses = '{listen}'\n");
        let mut file = OpenOptions::new()
            .append(true)
            .open(self.data().join("postgresql.conf"))
            .context("open postgresql.conf")?;
        file.write_all(settings.as_bytes())
            .context("write postgresql.conf")?;
        fs::write(self.data().join("pg_hba.conf"), trusted).context("write pg_hba.conf")
    }

    /// A port that was free a moment ago may be taken by now.
    fn start_on_a_free_port(&mut self) -> Result<()> {
        for _ in 1..PORTS_TO_TRY {
            self.port = place::port()?;
            if self.start_again().is_ok() {
                return Ok(());
            }
        }
        self.port = place::port()?;
        self.start_again()
    }

    fn pg_ctl<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<()> {
        let mut command = self.tools.command(&self.folder, "pg_ctl");
        command.args(arguments);
        command.args(["--wait", "--timeout", PATIENCE, "--pgdata"]);
        tools::finish(command.arg(self.data()))?;
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("; ")
    }
}

const MISSING: &str = "PostgreSQL is not installed\n  why: neither /usr/lib/postgresql nor \
                       pg_config leads to initdb, pg_ctl, postgres and psql\n  try: apt-get \
                       install postgresql";

#[cfg(test)]
mod tests;
