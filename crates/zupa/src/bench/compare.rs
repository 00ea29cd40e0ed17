//! Floor and path under the same workload, alternately.

use serde_json::{Value, json};

use super::child::{Job, Program, Task, progress};
use super::figures::Figures;
use super::folder::Folder;
use super::place::Place;
use super::workload::{Load, Workload};
use super::{BenchArguments, table};
use crate::cli::{Code, Failure};

/// Turns of a run that counts the log, the same for both programs: more when
/// there is time, so that a conversation's rows have pages of their own.
const LOG_TURNS: u64 = 1_000;
const MORE_LOG_TURNS: u64 = 10_000;
/// A measurement of so many seconds has time.
const MORE_FROM: f64 = 2.5;

/// What was measured.
pub(super) struct Compared {
    pub workload: Workload,
    pub rounds: u32,
    pub floor: Figures,
    /// None when only the floor was asked for.
    pub path: Option<Figures>,
}

/// Measures and prints.
pub(super) fn run(arguments: &BenchArguments, folder: &Folder) -> Result<Code, Failure> {
    let programs: &[_] = if arguments.what.floor {
        &[Program::Floor]
    } else {
        &[Program::Floor, Program::Path]
    };
    let compared = measure(arguments.workload(), arguments.rounds, programs, folder)?;
    if arguments.json {
        table::json(&compared.json());
    } else {
        table::compared(&compared);
    }
    Ok(Code::Ok)
}

/// Runs the programs alternately; the figures are medians over the rounds.
pub(super) fn measure(
    workload: Workload,
    rounds: u32,
    programs: &[Program],
    folder: &Folder,
) -> Result<Compared, Failure> {
    let mut floor = Vec::new();
    let mut path = Vec::new();
    for round in 1..=rounds {
        for &program in programs {
            progress(&format!(
                "{} · round {round}/{rounds} · {program:?}",
                words(&workload)
            ));
            let figures = one(program, workload, folder)?;
            match program {
                Program::Floor => floor.push(figures),
                Program::Path => path.push(figures),
            }
        }
    }
    let (mut floor, mut path) = (
        Figures::medians(&floor),
        (!path.is_empty()).then(|| Figures::medians(&path)),
    );
    if matches!(workload.load, Load::Closed { .. }) {
        floor.wal_bytes_per_turn = log(Program::Floor, workload, folder)?;
        if let Some(path) = &mut path {
            path.wal_bytes_per_turn = log(Program::Path, workload, folder)?;
        }
    }
    progress("");
    Ok(Compared {
        workload,
        rounds,
        floor,
        path,
    })
}

/// One run of one program, in a process of its own, on a database of its own.
pub(super) fn one(
    program: Program,
    workload: Workload,
    folder: &Folder,
) -> Result<Figures, Failure> {
    let job = Job {
        program,
        task: Task::Run,
        workload,
        place: Place::File(folder.fresh("run")?),
    };
    let figures = job.run()?.figures();
    folder.forget("run");
    figures
}

/// Bytes of the log for each turn, from a short run whose log is kept whole.
fn log(program: Program, workload: Workload, folder: &Folder) -> Result<Option<f64>, Failure> {
    progress("the log");
    let turns = if workload.seconds < MORE_FROM {
        LOG_TURNS
    } else {
        MORE_LOG_TURNS
    };
    let short = Workload {
        seconds: workload.seconds / 2.0,
        turns: Some(turns),
        counts_log: true,
        ..workload
    };
    Ok(one(program, short, folder)?.wal_bytes_per_turn)
}

/// A workload in a few words.
pub(super) fn words(workload: &Workload) -> String {
    let load = match workload.load {
        Load::Closed { in_flight: 1 } => "1 turn in flight".to_owned(),
        Load::Closed { in_flight } => format!("{in_flight} turns in flight"),
        Load::Open { per_second } => format!("{per_second} messages/s"),
    };
    let mut words = format!(
        "{load} over {} conversations, model {} ms, durability {}",
        workload.conversations,
        workload.model_ms,
        workload.durability.as_str()
    );
    if workload.events_per_second > 0 {
        words += &format!(", {} events/s", workload.events_per_second);
    }
    words
}

impl Compared {
    /// The path's figures, or the floor's when only that was asked for, with
    /// the floor beside.
    pub(super) fn json(&self) -> Value {
        let workload = &self.workload;
        let (concurrency, rate) = match workload.load {
            Load::Closed { in_flight } => (Some(in_flight), None),
            Load::Open { per_second } => (None, Some(per_second)),
        };
        let mut object = json!({
            "version": 1,
            "program": if self.path.is_some() { "zupa" } else { "floor" },
            "conversations": workload.conversations,
            "concurrency": concurrency,
            "rate": rate,
            "model_ms": workload.model_ms,
            "events_per_second": workload.events_per_second,
            "durability": workload.durability.as_str(),
            "seed": workload.seed,
            "rounds": self.rounds,
        });
        add(
            &mut object,
            figures(self.path.as_ref().unwrap_or(&self.floor)),
        );
        if let Some(path) = &self.path {
            let ratio = path.turns_per_second / self.floor.turns_per_second.max(1e-9);
            add(
                &mut object,
                json!({ "floor": figures(&self.floor), "ratio": ratio }),
            );
        }
        object
    }
}

/// One program's figures.
pub(super) fn figures(figures: &Figures) -> Value {
    json!({
        "turns": figures.turns,
        "seconds": figures.seconds,
        "turns_per_second": figures.turns_per_second,
        "p50_ms": figures.p50_ms,
        "p99_ms": figures.p99_ms,
        "max_ms": figures.max_ms,
        "commits": figures.commits,
        "items_per_commit": figures.items_per_commit,
        "writer_busy": figures.writer_busy,
        "processors": figures.processors,
        "bytes_per_turn": figures.bytes_per_turn,
        "wal_bytes_per_turn": figures.wal_bytes_per_turn,
        "rss_bytes": figures.rss_bytes,
        "unanswered": figures.unanswered,
        "events": figures.events,
    })
}

pub(super) fn add(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
