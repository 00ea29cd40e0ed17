//! The path on a Postgres server, beside pgbench doing one turn's writes on the
//! same server in the same run.

mod pgbench;
mod report;
mod server;
mod url;

use super::BenchArguments;
use super::child::{Job, Program, Task, progress};
use super::compare::words;
use super::figures::{Figures, median};
use super::folder::Folder;
use super::workload::{self, Load, Workload};
use crate::cli::{Code, Failure};
use pgbench::{Measured, Pgbench, Script};
use server::{Server, Settings};

/// Clients of the floor: many, and one.
const MANY: u32 = 16;
const ONE: u32 = 1;
/// Rounds when every goal is measured, and seconds of an open loop.
const ROUNDS: u32 = 3;
const OPEN: f64 = 5.0;
/// Seconds of a closed loop, unless they were said: a server takes longer than a
/// file to be warm.
const CLOSED: f64 = 3.0;

/// Every script with every number of clients, in the order of a table.
const FLOORS: [(Script, u32); 4] = [
    (Script::EightStatements, MANY),
    (Script::OneFunction, MANY),
    (Script::EightStatements, ONE),
    (Script::OneFunction, ONE),
];

/// What was measured.
struct Measurements {
    settings: Settings,
    rounds: u32,
    paths: Vec<(Workload, Figures)>,
    /// As [`FLOORS`]; none without pgbench.
    floors: Option<[Measured; 4]>,
}

/// Measures and prints. Fails when every goal was to be measured and one is
/// missed.
pub(super) fn run(arguments: &BenchArguments, folder: &Folder, url: &str) -> Result<Code, Failure> {
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(
            Failure::new(Code::Usage, "--store names no Postgres server")
                .because("a SQLite file is measured without it, in a folder of the benchmark's own")
                .try_this("`postgres://USER@HOST:PORT/DATABASE`, or --dir FOLDER for SQLite"),
        );
    }
    zupa_postgres::PostgresConfig::at(url)?;
    let (workloads, rounds) = workloads(arguments);
    let server = Server::prepare(url, arguments.durability)?;
    let pgbench = Pgbench::find(folder)?;
    let measured = measure(&server, pgbench.as_ref(), &workloads, rounds)?;
    let goals = report::goals(&measured);
    if arguments.json {
        report::json(&measured, &goals);
    } else {
        report::table(&measured, &goals);
    }
    let missed = arguments.what.all && goals.iter().any(report::missed);
    Ok(if missed { Code::Failed } else { Code::Ok })
}

/// The workload that was named, or all that have a meaning here.
fn workloads(arguments: &BenchArguments) -> (Vec<Workload>, u32) {
    let mut named = arguments.workload();
    if arguments.seconds.is_none() && arguments.turns.is_none() {
        named.seconds = named.seconds.max(CLOSED);
    }
    if !arguments.what.all {
        return (vec![named], arguments.rounds);
    }
    let closed = |in_flight, conversations| Workload {
        conversations,
        load: Load::Closed { in_flight },
        model_ms: 0,
        ..named
    };
    let open = |per_second| Workload {
        conversations: 4 * workload::expected_in_flight(per_second, 0),
        load: Load::Open { per_second },
        seconds: OPEN,
        model_ms: 0,
        ..named
    };
    let all = vec![closed(64, 256), closed(1, 1), open(1_000), open(5_000)];
    (all, arguments.rounds.max(ROUNDS))
}

/// Runs path and floor alternately; the figures are medians over the rounds.
fn measure(
    server: &Server,
    pgbench: Option<&Pgbench>,
    workloads: &[Workload],
    rounds: u32,
) -> Result<Measurements, Failure> {
    let mut paths = vec![Vec::new(); workloads.len()];
    let mut floors = [const { Vec::new() }; FLOORS.len()];
    for round in 1..=rounds {
        // One of each in turn, so that whatever else the machine does at the
        // time is shared.
        for place in 0..workloads.len().max(FLOORS.len()) {
            if let (Some(pgbench), Some(&(script, clients)), Some(first)) =
                (pgbench, FLOORS.get(place), workloads.first())
            {
                progress(&format!(
                    "round {round}/{rounds} · pgbench {script:?}, {clients} clients"
                ));
                floors[place].push(pgbench.run(server, script, clients, first)?);
            }
            if let Some(workload) = workloads.get(place) {
                progress(&format!("round {round}/{rounds} · {}", words(workload)));
                paths[place].push(path(server, workload)?);
            }
        }
    }
    progress("");
    let floors = floors.map(|rounds: Vec<Measured>| Measured {
        turns_per_second: median(rounds.iter().map(|one| one.turns_per_second).collect()),
        mean_ms: median(rounds.iter().map(|one| one.mean_ms).collect()),
    });
    Ok(Measurements {
        settings: server.settings()?,
        rounds,
        paths: workloads
            .iter()
            .zip(paths)
            .map(|(workload, rounds)| (*workload, Figures::medians(&rounds)))
            .collect(),
        floors: pgbench.map(|_| floors),
    })
}

/// One run of the path, in a process of its own, on a schema of its own.
fn path(server: &Server, workload: &Workload) -> Result<Figures, Failure> {
    let job = Job {
        program: Program::Path,
        task: Task::Run,
        workload: *workload,
        place: server.fresh()?,
    };
    let (stored, log) = (server.stored_bytes()?, server.log_bytes()?);
    let figures: Figures = job.run()?.figures()?;
    let grown = server.log_bytes()?.saturating_sub(log);
    Ok(figures
        .with_growth(stored, server.stored_bytes()?)
        .with_log(Some(grown)))
}
