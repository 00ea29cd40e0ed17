//! Every goal that the project has set for its speed, each beside its floor.

pub(super) mod goal;

use serde_json::json;

use super::child::Program;
use super::compare::{self, Compared};
use super::folder::Folder;
use super::workload::{self, Load, Workload};
use super::{BenchArguments, single, starts, table};
use crate::cli::{Code, Failure};
use goal::{Goal, Verdict};

/// Rounds of everything that is measured beside the floor.
const ROUNDS: u32 = 3;
/// Seconds of a closed and of an open loop.
const CLOSED: f64 = 3.0;
const OPEN: f64 = 5.0;
/// A kilobyte and a megabyte, as the goals mean them.
const KB: f64 = 1e3;
const MB: f64 = 1e6;

/// Measures every goal. Fails when one is missed.
pub(super) fn run(arguments: &BenchArguments, folder: &Folder) -> Result<Code, Failure> {
    let rounds = arguments.rounds.max(ROUNDS);
    let base = arguments.workload();
    let mut goals = Vec::new();
    loads(base, rounds, folder, &mut goals)?;
    lasting(base, rounds, folder, &mut goals)?;
    if arguments.json {
        let all: Vec<_> = goals.iter().map(Goal::json).collect();
        table::json(&json!({ "version": 1, "rounds": rounds, "goals": all }));
    } else {
        goal::print(&goals);
    }
    let missed = goals.iter().any(|goal| goal.verdict() == Verdict::Missed);
    Ok(if missed { Code::Failed } else { Code::Ok })
}

/// The goals under load, where the floor does the same.
fn loads(
    base: Workload,
    rounds: u32,
    folder: &Folder,
    goals: &mut Vec<Goal>,
) -> Result<(), Failure> {
    let closed = |conversations, in_flight| Workload {
        conversations,
        load: Load::Closed { in_flight },
        seconds: CLOSED,
        turns: None,
        model_ms: 0,
        ..base
    };
    let open = |per_second: u32, model_ms: u64| Workload {
        conversations: 4 * workload::expected_in_flight(per_second, model_ms),
        load: Load::Open { per_second },
        seconds: OPEN,
        turns: None,
        model_ms,
        ..base
    };
    let measure = |workload| {
        let both = [Program::Floor, Program::Path];
        let Compared { floor, path, .. } = compare::measure(workload, rounds, &both, folder)?;
        Ok::<_, Failure>((path.unwrap_or_default(), floor))
    };

    let (many, floor) = measure(closed(256, 64))?;
    goals.push(Goal::least(
        "64 in flight: turns/s",
        many.turns_per_second,
        floor.turns_per_second,
        [0.35, 0.5],
    ));
    goals.push(Goal::most(
        "stored bytes/turn beyond payload",
        many.bytes_per_turn,
        Some(floor.bytes_per_turn),
        [8.0 * KB, 4.0 * KB],
    ));
    let (log, least) = (many.wal_bytes_per_turn, floor.wal_bytes_per_turn);
    if let (Some(log), Some(least)) = (log, least) {
        let limits = [2.0 * least, 1.5 * least];
        goals.push(Goal::most("log bytes/turn", log, Some(least), limits).digits(0));
    }

    let (one, floor) = measure(closed(1, 1))?;
    goals.push(Goal::least(
        "1 conversation: turns/s",
        one.turns_per_second,
        floor.turns_per_second,
        [0.5, 0.6],
    ));
    let name = "1 conversation: p50 ms";
    goals.push(Goal::most(name, one.p50_ms, Some(floor.p50_ms), [0.9, 0.7]).digits(2));

    let (slow, floor) = measure(open(1_000, 0))?;
    let limits = [
        (4.0 * floor.p99_ms).min(100.0),
        (2.0 * floor.p99_ms).min(25.0),
    ];
    goals.push(Goal::most(
        "1,000/s: p99 ms",
        slow.p99_ms,
        Some(floor.p99_ms),
        limits,
    ));
    let (fast, floor) = measure(open(5_000, 0))?;
    let limits = [100.0, floor.p99_ms.min(100.0)];
    goals.push(Goal::most(
        "5,000/s: p99 ms",
        fast.p99_ms,
        Some(floor.p99_ms),
        limits,
    ));

    let (thinking, floor) = measure(open(1_000, 1_000))?;
    let added = |p99: f64| p99 - 1_000.0;
    let name = "model 1 s, 1,000/s: added p99 ms";
    let (zupa, least) = (added(thinking.p99_ms), added(floor.p99_ms));
    goals.push(Goal::most(name, zupa, Some(least), [100.0, 60.0]));
    let name = "model 1 s, 1,000/s: memory, MB";
    let (zupa, least) = (thinking.rss_bytes as f64 / MB, floor.rss_bytes as f64 / MB);
    goals.push(Goal::most(name, zupa, Some(least), [f64::INFINITY, 64.0]));
    for (figures, name) in [
        (many, "64"),
        (one, "1"),
        (slow, "1,000/s"),
        (fast, "5,000/s"),
        (thinking, "1 s"),
    ] {
        if figures.unanswered > 0 {
            let name = format!("{name}: unanswered");
            goals.push(Goal::most(name, figures.unanswered as f64, None, [0.0, 0.0]).digits(0));
        }
    }
    Ok(())
}

/// Starts, memory and history.
fn lasting(
    base: Workload,
    rounds: u32,
    folder: &Folder,
    goals: &mut Vec<Goal>,
) -> Result<(), Failure> {
    let [floor, path] = starts::measure_recovery(base, rounds, folder, 10_000)?;
    for (name, zupa, least, limits) in [
        ("first", path.first_ms, floor.first_ms, [300.0, 100.0]),
        ("all", path.all_ms, floor.all_ms, [3_000.0, 1_500.0]),
    ] {
        let name = format!("death with 10,000 accepted: {name} answered, ms");
        goals.push(Goal::most(name, zupa, Some(least), limits).digits(0));
    }
    let [floor, path] = starts::measure_cold_start(base, rounds.max(5), folder)?;
    let name = "start to first acknowledged, ms";
    goals.push(Goal::most(name, path, Some(floor), [50.0, 20.0]));

    let idle = single::measure_idle(base, folder, 10_000)?;
    let name = "10,000 idle conversations: memory, MB";
    goals.push(Goal::most(
        name,
        idle.rss_bytes as f64 / MB,
        None,
        [40.0, 25.0],
    ));
    let growing = single::measure_growth(base, folder, 1_000_000)?;
    let growth = growing.rss_bytes as f64 / growing.rss_bytes_at_tenth as f64;
    let name = "memory at turn 1 M / at turn 100 k";
    goals.push(Goal::most(name, growth, None, [1.10, 1.05]).digits(3));

    let windows = single::measure_history(base, folder, 10_000)?;
    let (time, stored) = single::growth_with_history(&windows);
    let name = "turn 10,000 / turn 500: time";
    goals.push(Goal::most(name, time, None, [1.15, 1.1]).digits(3));
    let name = "turn 10,000 / turn 500: stored bytes";
    goals.push(Goal::most(name, stored, None, [1.1, 1.1]).digits(3));
    Ok(())
}
