//! What lasts: a turn's cost behind much history, and memory.

use serde_json::json;

use super::child::{Job, Program, Task, progress};
use super::figures::Figures;
use super::folder::Folder;
use super::path::Window;
use super::place::Place;
use super::workload::{Load, Workload};
use super::{BenchArguments, table};
use crate::cli::{Code, Failure};

/// Turns in flight while conversations are made.
const IN_FLIGHT: u32 = 64;
/// Longest time that they may take.
const PATIENCE: f64 = 3_600.0;
/// Conversations that take turns while memory is watched.
const GROWING: u32 = 10_000;

pub(super) fn history(
    arguments: &BenchArguments,
    folder: &Folder,
    turns: u64,
) -> Result<Code, Failure> {
    let windows = measure_history(arguments.workload(), folder, turns)?;
    let (time, stored) = growth_with_history(&windows);
    if arguments.json {
        let ratio = json!({ "time": time, "stored_bytes": stored });
        table::json(&json!({ "version": 1, "windows": windows, "ratio": ratio }));
        return Ok(Code::Ok);
    }
    for window in &windows {
        table::line(format_args!(
            "{} turns around the {:>6}th: p50 {:.3} ms, {:.0} stored bytes/turn",
            window.turns, window.around, window.p50_ms, window.stored_bytes_per_turn
        ));
    }
    table::line(format_args!(
        "ratio: time {time:.3}, stored bytes {stored:.3}"
    ));
    Ok(Code::Ok)
}

pub(super) fn measure_history(
    workload: Workload,
    folder: &Folder,
    turns: u64,
) -> Result<Vec<Window>, Failure> {
    progress("history");
    let workload = Workload {
        conversations: 1,
        ..workload
    };
    let told = job(Program::Path, Task::History(turns), workload, folder)?.run()?;
    folder.forget(SINGLE);
    progress("");
    told.figures()
}

/// Time and stored bytes of the last window, as multiples of the first.
pub(super) fn growth_with_history(windows: &[Window]) -> (f64, f64) {
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return (f64::NAN, f64::NAN);
    };
    (
        last.p50_ms / first.p50_ms,
        last.stored_bytes_per_turn / first.stored_bytes_per_turn,
    )
}

pub(super) fn idle(
    arguments: &BenchArguments,
    folder: &Folder,
    conversations: u32,
) -> Result<Code, Failure> {
    let figures = measure_idle(arguments.workload(), folder, conversations)?;
    if arguments.json {
        let rss = figures.rss_bytes;
        table::json(&json!({ "version": 1, "conversations": conversations, "rss_bytes": rss }));
    } else {
        let memory = table::megabytes(figures.rss_bytes);
        table::line(format_args!(
            "{conversations} idle conversations: {memory:.1} MB"
        ));
    }
    Ok(Code::Ok)
}

pub(super) fn measure_idle(
    workload: Workload,
    folder: &Folder,
    conversations: u32,
) -> Result<Figures, Failure> {
    progress("idle conversations");
    let workload = counted(workload, conversations, u64::from(conversations));
    let told = job(Program::Path, Task::Idle, workload, folder)?.run()?;
    folder.forget(SINGLE);
    progress("");
    told.figures()
}

pub(super) fn growth(
    arguments: &BenchArguments,
    folder: &Folder,
    turns: u64,
) -> Result<Code, Failure> {
    let figures = measure_growth(arguments.workload(), folder, turns)?;
    let (tenth, end) = (figures.rss_bytes_at_tenth, figures.rss_bytes);
    if arguments.json {
        table::json(&json!({
            "version": 1, "turns": turns, "rss_bytes_at_tenth": tenth, "rss_bytes": end,
            "turns_per_second": figures.turns_per_second,
        }));
    } else {
        table::line(format_args!(
            "turn {}: {:.1} MB, turn {turns}: {:.1} MB, {:.0} turns/s",
            turns / 10,
            table::megabytes(tenth),
            table::megabytes(end),
            figures.turns_per_second,
        ));
    }
    Ok(Code::Ok)
}

pub(super) fn measure_growth(
    workload: Workload,
    folder: &Folder,
    turns: u64,
) -> Result<Figures, Failure> {
    progress(&format!("growth of memory over {turns} turns"));
    let workload = counted(workload, GROWING, turns);
    let told = job(Program::Path, Task::Run, workload, folder)?.run()?;
    folder.forget(SINGLE);
    progress("");
    told.figures()
}

/// The database of these measurements.
pub(super) const SINGLE: &str = "single";

pub(super) fn job(
    program: Program,
    task: Task,
    workload: Workload,
    folder: &Folder,
) -> Result<Job, Failure> {
    Ok(Job {
        program,
        task,
        workload,
        place: Place::File(folder.fresh(SINGLE)?),
    })
}

fn counted(workload: Workload, conversations: u32, turns: u64) -> Workload {
    Workload {
        conversations,
        load: Load::Closed {
            in_flight: IN_FLIGHT.min(conversations),
        },
        seconds: PATIENCE,
        turns: Some(turns),
        ..workload
    }
}
