//! The Postgres under test: a throw-away server with one database, which the
//! nemesis may stop, and whose backends it may end.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::sink::Row;
use crate::services::postgres::Postgres;

const NAME: &str = "zupa";

/// What becomes of those who connect anew; refused means that they wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    Taken,
    Refused,
}

#[derive(Debug)]
pub struct Database {
    server: Postgres,
}

impl Database {
    /// Starts a server; it listens on an address of the replicas' network, too.
    pub fn start(near: Option<Ipv4Addr>) -> anyhow::Result<Self> {
        let server = Postgres::start_listening_on(near.as_slice())
            .context("cannot start a throw-away PostgreSQL")?;
        server.create_database(NAME)?;
        Ok(Self { server })
    }

    /// The URL of the database as a replica reaches it.
    pub fn url(&self, near: Option<Ipv4Addr>) -> String {
        let url = self.server.url(NAME);
        near.map_or(url.clone(), |near| {
            url.replace("127.0.0.1", &near.to_string())
        })
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Stops it as a crash would.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.server.stop_immediate()
    }

    /// Returns when it answers again.
    pub fn start_again(&self) -> anyhow::Result<()> {
        self.server.start_again()
    }

    /// Stops the first process of the server, so that nobody can connect, or lets
    /// it go on. The connections that are there go on all the time.
    pub fn take_connections(&self, connections: Connections) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.server.postmaster()?).context("odd process id")?;
        let signal = match connections {
            Connections::Taken => Signal::CONT,
            Connections::Refused => Signal::STOP,
        };
        kill_process(pid, signal).context("cannot signal the PostgreSQL server")
    }

    /// The deliveries, a line for each.
    pub fn deliveries(&self) -> anyhow::Result<String> {
        let sql = Row::sql(|column| format!("{column}::text"), "zupa.outbox");
        self.server.psql(NAME, &sql)
    }

    /// Ends one backend that a replica talks to; returns how many there were to end.
    pub fn terminate_one(&self) -> anyhow::Result<u32> {
        let sql = format!(
            "select count(pg_terminate_backend(pid)) from (
                select pid from pg_stat_activity
                where datname = '{NAME}' and usename = 'zupa' order by random() limit 1) one"
        );
        let ended = self.server.psql(NAME, &sql)?;
        ended
            .trim()
            .parse()
            .with_context(|| format!("odd count {ended:?}"))
    }
}
