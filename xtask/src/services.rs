//! `cargo xtask services`: the servers that tests talk to, started from what
//! the machine has installed and thrown away afterwards. No container engine.

pub mod postgres;

use std::net::Ipv4Addr;

use anyhow::Result;
use clap::Subcommand;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use postgres::Postgres;

/// What to start.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// A PostgreSQL on a free port, until Ctrl-C; prints what to export for the tests
    Postgres {
        /// Listens on this address beside 127.0.0.1; whoever is in its /24 may
        /// do everything
        #[arg(long, value_name = "ADDRESS")]
        listen: Vec<Ipv4Addr>,
    },
}

/// Starts it in the foreground.
pub fn run(options: &Options) -> Result<()> {
    let Service::Postgres { listen } = &options.service;
    let postgres = Postgres::start_listening_on(listen)?;
    let url = postgres.create_database(postgres::TEST_DATABASE)?;
    eprintln!(
        "PostgreSQL runs in {} until Ctrl-C; its log is there",
        postgres.folder().display()
    );
    println!("export {}={url}", postgres::TEST_URL);
    interrupted()
    // Dropping the server stops it.
}

fn interrupted() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => Ok(interrupt?),
            _ = terminate.recv() => Ok(()),
        }
    })
}
