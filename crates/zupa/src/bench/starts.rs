//! Starts: on what a death left, and on nothing.

use serde_json::json;

use super::child::{Program, Task, progress};
use super::figures::median;
use super::folder::Folder;
use super::single::{SINGLE, job};
use super::workload::Workload;
use super::{BenchArguments, table};
use crate::cli::{Code, Failure};

/// Milliseconds since the start of the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recovered {
    pub first_ms: f64,
    pub all_ms: f64,
}

pub(super) fn recovery(
    arguments: &BenchArguments,
    folder: &Folder,
    messages: u32,
) -> Result<Code, Failure> {
    let workload = arguments.workload();
    let [floor, path] = measure_recovery(workload, arguments.rounds, folder, messages)?;
    if arguments.json {
        let object = |of: Recovered| json!({ "first_ms": of.first_ms, "all_ms": of.all_ms });
        table::json(&json!({
            "version": 1, "messages": messages, "zupa": object(path), "floor": object(floor),
        }));
        return Ok(Code::Ok);
    }
    for (name, of) in [("zupa", path), ("floor", floor)] {
        table::line(format_args!(
            "{name}: {messages} accepted, died; started: first answer {:.0} ms, all {:.0} ms",
            of.first_ms, of.all_ms
        ));
    }
    Ok(Code::Ok)
}

/// The medians of floor and path.
pub(super) fn measure_recovery(
    workload: Workload,
    rounds: u32,
    folder: &Folder,
    messages: u32,
) -> Result<[Recovered; 2], Failure> {
    let once = |program| {
        progress(&format!("recovery of {messages} · {program:?}"));
        let mut job = job(program, Task::Pile(messages), workload, folder)?;
        job.run::<()>()?;
        job.task = Task::Recover(messages);
        let told = job.run::<()>()?;
        Ok((told.mark("first")?, told.mark("all")?))
    };
    let both = alternately(rounds, once)?.map(|times: Vec<(f64, f64)>| Recovered {
        first_ms: median(times.iter().map(|(first, _)| *first).collect()),
        all_ms: median(times.iter().map(|(_, all)| *all).collect()),
    });
    folder.forget(SINGLE);
    Ok(both)
}

pub(super) fn cold_start(arguments: &BenchArguments, folder: &Folder) -> Result<Code, Failure> {
    let rounds = arguments.rounds.max(5);
    let [floor, path] = measure_cold_start(arguments.workload(), rounds, folder)?;
    if arguments.json {
        let object = json!({ "version": 1, "first_acknowledged_ms": path, "floor_ms": floor });
        table::json(&object);
    } else {
        table::line(format_args!(
            "start to first acknowledged message: zupa {path:.1} ms, floor {floor:.1} ms"
        ));
    }
    Ok(Code::Ok)
}

/// The medians of floor and path, in milliseconds since the process started.
pub(super) fn measure_cold_start(
    workload: Workload,
    rounds: u32,
    folder: &Folder,
) -> Result<[f64; 2], Failure> {
    let both = alternately(rounds, |program| {
        progress(&format!("cold start · {program:?}"));
        let job = job(program, Task::AcceptOne, workload, folder)?;
        job.run::<()>()?.mark("acknowledged")
    })?;
    folder.forget(SINGLE);
    Ok(both.map(median))
}

fn alternately<T>(
    rounds: u32,
    once: impl Fn(Program) -> Result<T, Failure>,
) -> Result<[Vec<T>; 2], Failure> {
    let (mut floor, mut path) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        floor.push(once(Program::Floor)?);
        path.push(once(Program::Path)?);
    }
    progress("");
    Ok([floor, path])
}
