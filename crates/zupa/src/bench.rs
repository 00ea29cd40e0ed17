//! `zupa bench`: the path on this machine, beside what its disk can do.
//!
//! The floor ([`floor`]) is the least program that keeps the same promise; the
//! path ([`path`]) is Zupa's own, with a scripted model and a door to nowhere.
//! Every measurement runs in a process of its own ([`child`]), so that neither
//! memory nor threads of one show in the other.

mod child;
mod clock;
mod compare;
mod figures;
mod file;
mod floor;
mod folder;
mod goals;
mod histogram;
mod meter;
mod path;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod schedule;
mod single;
mod starts;
mod table;
mod workload;

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Code, Failure};
use workload::{Durability, Load, Workload};

/// Seconds for each program when nothing is said: the whole run stays below five.
const SECONDS: f64 = 1.5;
/// Seconds for each program when only turns were named.
const PATIENCE: f64 = 600.0;

/// What to measure. Without arguments: 64 turns in flight, beside the floor, in
/// at most 5 seconds.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  zupa bench                                 64 turns in flight, at most 5 s\n  zupa bench --conversations 1               one conversation\n  zupa bench --rate 1000 --model-ms 1000     open loop, a model that thinks\n  zupa bench --rate 500 --events 100000      beside a busy event bus\n  zupa bench --all --json                    every goal, some minutes\n  zupa bench --store postgres://zupa@db/zupa on a server, beside pgbench"
)]
pub struct BenchArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Conversations that take part [default: four for each turn in flight]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    conversations: Option<u32>,
    /// Turns in flight: a message is sent when an earlier one was answered.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// Send so many messages per second, answered or not.
    #[arg(long, value_name = "N", conflicts_with = "concurrency", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Measure each program for so long [default: 1.5]
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    seconds: Option<f64>,
    /// Stop after so many turns.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    turns: Option<u64>,
    /// How long the model thinks, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    model_ms: u64,
    /// Emit so many events per second on the path's bus meanwhile, to one subscriber; at most 10,000,000.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    events: u32,
    /// What a commit waits for, in both programs.
    #[arg(long, value_enum, default_value_t = Durability::Full)]
    durability: Durability,
    /// Run floor and path alternately so often; the figures are medians.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Makes texts and ids; the same seed makes the same ones.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Measure on this Postgres server, beside pgbench, in a database of its own
    /// that is dropped at the end: `postgres://USER@HOST:PORT/DATABASE`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["floor", "history", "idle", "growth", "recovery", "cold_start"])]
    store: Option<String>,
    /// Where the databases lie while they are measured [default: .zupa/bench-<pid>]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    what: What,
    /// The measurement told on stdin, in this process; for the benchmark itself.
    #[arg(long, hide = true)]
    job: bool,
}

/// What to measure instead; at most one.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
struct What {
    /// Only the floor.
    #[arg(long)]
    floor: bool,
    /// Time and stored bytes around the 500th and the N-th turn of one conversation.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10000", value_parser = clap::value_parser!(u64).range(2_000..))]
    history: Option<u64>,
    /// Memory with N conversations that have nothing to do.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10000", value_parser = clap::value_parser!(u32).range(1..))]
    idle: Option<u32>,
    /// Growth of memory from turn N/10 to turn N.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1000000", value_parser = clap::value_parser!(u64).range(100..))]
    growth: Option<u64>,
    /// A death with N accepted messages: from the start to the first and to all answers.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10000", value_parser = clap::value_parser!(u32).range(1..))]
    recovery: Option<u32>,
    /// From the start of the process to the first acknowledged message.
    #[arg(long)]
    cold_start: bool,
    /// Every goal, each beside its floor. Fails when one is missed. Takes minutes.
    #[arg(long)]
    all: bool,
}

impl BenchArguments {
    /// The workload that the arguments describe.
    fn workload(&self) -> Workload {
        let (load, in_flight) = match self.rate {
            Some(per_second) => {
                let load = Load::Open { per_second };
                (
                    load,
                    workload::expected_in_flight(per_second, self.model_ms),
                )
            }
            None => {
                let most = self.conversations.unwrap_or(u32::MAX);
                let in_flight = self.concurrency.min(most);
                (Load::Closed { in_flight }, in_flight)
            }
        };
        let seconds = match (self.seconds, self.turns) {
            (Some(seconds), _) => seconds,
            (None, Some(_)) => PATIENCE,
            (None, None) => SECONDS.max(self.model_ms as f64 / 500.0),
        };
        Workload {
            conversations: self.conversations.unwrap_or(in_flight.saturating_mul(4)),
            load,
            seconds,
            turns: self.turns,
            model_ms: self.model_ms,
            events_per_second: self.events,
            durability: self.durability,
            seed: self.seed,
            counts_log: false,
        }
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(seconds),
        Ok(_) => Err("between 0.1 and 86400".to_owned()),
        Err(_) => Err("not a number of seconds".to_owned()),
    }
}

/// Runs the benchmark.
pub fn run(arguments: &BenchArguments) -> Result<Code, Failure> {
    if arguments.job {
        return child::run();
    }
    let folder = folder::Folder::make(arguments.dir.as_deref())?;
    if let Some(url) = &arguments.store {
        return on_a_server(arguments, &folder, url);
    }
    let what = arguments.what;
    if what.all {
        goals::run(arguments, &folder)
    } else if let Some(turns) = what.history {
        single::history(arguments, &folder, turns)
    } else if let Some(conversations) = what.idle {
        single::idle(arguments, &folder, conversations)
    } else if let Some(turns) = what.growth {
        single::growth(arguments, &folder, turns)
    } else if let Some(messages) = what.recovery {
        starts::recovery(arguments, &folder, messages)
    } else if what.cold_start {
        starts::cold_start(arguments, &folder)
    } else {
        compare::run(arguments, &folder)
    }
}

#[cfg(feature = "postgres")]
fn on_a_server(
    arguments: &BenchArguments,
    folder: &folder::Folder,
    url: &str,
) -> Result<Code, Failure> {
    postgres::run(arguments, folder, url)
}

#[cfg(not(feature = "postgres"))]
fn on_a_server(_: &BenchArguments, _: &folder::Folder, _: &str) -> Result<Code, Failure> {
    Err(Failure::new(Code::Usage, "--store names a Postgres server")
        .because("this zupa was built without the feature postgres")
        .try_this("build it with the feature, as in `cargo install zupa --features postgres`"))
}

/// Makes failures of the benchmark itself.
fn cannot<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Failure {
    move |error| {
        Failure::new(Code::Failed, format!("the benchmark could not {what}")).because(error)
    }
}
