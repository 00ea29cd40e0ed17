//! `cargo xtask crash`: the kill -9 harness. It sees Zupa from outside only.
//!
//! Three kinds of processes. The *oracle* sends messages, plays the model, and
//! keeps its own synced log of both; it is never killed. The *nemesis* starts
//! `zupa serve`, once on an SQLite file or several times on one Postgres, kills
//! process groups at random moments and in chosen phases of a turn, stops them,
//! takes the store away, and starts what ended again on the same data. In the
//! end the faults stop, the backlog drains, and the checkers compare what the
//! oracle knows with what the other ends of the conversations can read. One
//! process is the set of one: nothing here is written twice. Those ends are web chats,
//! or people with phones at a simulator of Meta in the oracle's process; then what is on
//! their screens is judged.
//!
//! Read on in this order: `options`, `acts`, `words` and `script` (what a run
//! consists of), `oracle/`, `stage`, `place`, `database`, `network`, `sink` (where), `server`,
//! `life` and `replica` (the processes under test), `marks`, `tally` and `book`
//! (phases, deaths, faults), `nemesis` with `kill`, `pause`, `restart`, `cut`,
//! `terminate` and `soak`, `keeper`, `poison`, `heal`, `judge`, `screens`, `check/`.

mod acts;
mod book;
pub mod build;
mod check;
mod cut;
mod database;
mod heal;
pub mod http;
mod judge;
mod keeper;
mod kill;
mod life;
mod marks;
mod nemesis;
mod network;
pub mod operator;
mod options;
mod oracle;
mod pause;
mod place;
mod poison;
mod print;
mod recovery;
mod replica;
mod replicated;
mod replies;
mod report;
mod restart;

mod screens;
mod script;
mod server;
mod shop;
mod sink;
mod soak;
pub mod sse;
mod stage;
mod stats;
mod supervise;
mod tally;
mod terminate;
mod wire;
mod words;

use anyhow::{Context as _, bail};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

pub use self::options::{Channel, Options, Store};
pub use self::sink::Sink;
pub use self::soak::{Soak, SoakOptions};
pub use self::terminate::TerminateOptions;

/// Runs as the oracle of another run, or as the run itself.
///
/// An error is a violated promise, a planted bug that was not caught, or a run
/// that could not be made.
pub fn run(options: Options) -> anyhow::Result<()> {
    if options.shop {
        options.check()?;
        return shop::run(&options);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if let Some(brief) = &options.oracle {
            return oracle::run(brief).await;
        }
        tokio::select! {
            done = supervise::run(options.expanded()) => done,
            // Dropping the run kills the server it started.
            interrupted = interrupted() => {
                interrupted.context("cannot listen for signals")?;
                bail!("interrupted")
            }
        }
    })
}

async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}
