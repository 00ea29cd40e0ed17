//! The figures of a server, for people and programs.

use serde_json::{Value, json};

use super::super::compare::{add, figures, words};
use super::super::figures::Figures;
use super::super::goals::goal::{self, Goal, Verdict};
use super::super::table::{self, EVENTS, Row};
use super::super::workload::{Load, Workload};
use super::{FLOORS, MANY, Measured, Measurements, ONE, Script};

/// The part of the one-function script that the project aims for.
const AIM: f64 = 0.5;
/// The longest that 99 of 100 answers may take, in milliseconds: required, and
/// aimed for.
const P99_MS: [f64; 2] = [100.0, 25.0];
/// The highest rate at which that is required; faster ones show the limit.
const REQUIRED_RATE: u32 = 1_000;

impl Measurements {
    fn floor(&self, script: Script, clients: u32) -> Option<Measured> {
        let place = FLOORS
            .iter()
            .position(|floor| *floor == (script, clients))?;
        self.floors.map(|floors| floors[place])
    }

    /// What a workload is compared with: scripts with as many clients as it has
    /// turns in flight, or as many as there are.
    fn floors_of(&self, workload: &Workload) -> Option<(u32, [Measured; 2])> {
        let clients = match workload.load {
            Load::Closed { in_flight } if in_flight >= MANY => MANY,
            Load::Closed { in_flight: ONE } => ONE,
            Load::Closed { .. } | Load::Open { .. } => return None,
        };
        let eight = self.floor(Script::EightStatements, clients)?;
        Some((clients, [eight, self.floor(Script::OneFunction, clients)?]))
    }
}

/// As many turns as the eight-statement script at least, and half of what one
/// call per turn can do; answers in time.
pub(super) fn goals(measured: &Measurements) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (workload, path) in &measured.paths {
        let load = load(workload);
        let turns = path.turns_per_second;
        match measured.floors_of(workload) {
            Some((MANY, [eight, one])) => {
                let name = format!("{load}: turns/s / eight statements");
                goals.push(Goal::least(name, turns, eight.turns_per_second, [1.0, 1.0]));
                let name = format!("{load}: turns/s / one function");
                goals.push(Goal::least(name, turns, one.turns_per_second, [AIM, AIM]));
            }
            Some((_, [eight, _])) => {
                let name = format!("{load}: turns/s / eight statements");
                goals.push(Goal::least(name, turns, eight.turns_per_second, [0.0, AIM]));
            }
            None => {}
        }
        let required = match workload.load {
            Load::Open { per_second } => {
                let name = format!("{load}: p99 ms");
                let required = per_second <= REQUIRED_RATE;
                let limit = if required {
                    P99_MS
                } else {
                    [f64::INFINITY, P99_MS[0]]
                };
                goals.push(Goal::most(name, path.p99_ms, None, limit));
                required
            }
            Load::Closed { .. } => true,
        };
        if path.unanswered > 0 {
            let name = format!("{load}: unanswered");
            let limit = if required { 0.0 } else { f64::INFINITY };
            goals.push(Goal::most(name, path.unanswered as f64, None, [limit, 0.0]).digits(0));
        }
    }
    goals
}

pub(super) fn missed(goal: &Goal) -> bool {
    goal.verdict() == Verdict::Missed
}

/// A load as the head of a column.
fn load(workload: &Workload) -> String {
    match workload.load {
        Load::Closed { in_flight } => format!("{in_flight} in flight"),
        Load::Open { per_second } => format!("{per_second}/s"),
    }
}

pub(super) fn table(measured: &Measurements, goals: &[Goal]) {
    let settings = &measured.settings;
    table::line(format_args!(
        "PostgreSQL {}: synchronous_commit {}, fsync {}, full_page_writes {}, shared_buffers {}",
        settings.version,
        settings.synchronous_commit,
        settings.fsync,
        settings.full_page_writes,
        settings.shared_buffers,
    ));
    for (workload, _) in &measured.paths {
        table::line(format_args!("{}", words(workload)));
    }
    table::line(format_args!("median of {} round(s)\n", measured.rounds));
    paths(&measured.paths);
    table::line(format_args!(""));
    floors(measured);
    if !goals.is_empty() {
        table::line(format_args!(""));
        goal::print(goals);
    }
}

fn paths(paths: &[(Workload, Figures)]) {
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>14}")).collect();
        table::line(format_args!("{name:<34}{cells}"));
    };
    line(
        "zupa",
        paths.iter().map(|(workload, _)| load(workload)).collect(),
    );
    let rows: [Row; 12] = [
        ("turns/s", |f| Some(f.turns_per_second), 0),
        ("p50 ms", |f| Some(f.p50_ms), 2),
        ("p99 ms", |f| Some(f.p99_ms), 2),
        ("longest ms", |f| Some(f.max_ms), 2),
        ("commits", |f| Some(f.commits as f64), 0),
        ("requests per commit", |f| Some(f.items_per_commit), 1),
        ("writer busy, %", |f| Some(f.writer_busy * 100.0), 0),
        ("processors busy", |f| Some(f.processors), 2),
        (
            "stored bytes/turn beyond payload",
            |f| Some(f.bytes_per_turn),
            0,
        ),
        ("log bytes/turn, whole server", |f| f.wal_bytes_per_turn, 0),
        ("memory, MB", |f| Some(table::megabytes(f.rss_bytes)), 1),
        ("unanswered", |f| Some(f.unanswered as f64), 0),
    ];
    let told = paths.iter().any(|(_, path)| path.events.is_some());
    let events = EVENTS.into_iter().filter(|_| told);
    for (name, figure, digits) in rows.into_iter().chain(events) {
        let cells = paths
            .iter()
            .map(|(_, path)| table::number(figure(path), digits));
        line(name, cells.collect());
    }
}

fn floors(measured: &Measurements) {
    if measured.floors.is_none() {
        table::line(format_args!("pgbench: skipped, it is not installed"));
        return;
    }
    table::line(format_args!(
        "{:<34}{:>14}{:>14}{:>16}",
        "pgbench, one turn's writes", "turns/s", "mean ms", "zupa / pgbench"
    ));
    for (script, clients) in FLOORS {
        let Some(floor) = measured.floor(script, clients) else {
            continue;
        };
        let zupa = measured.paths.iter().find(|(workload, _)| {
            measured
                .floors_of(workload)
                .is_some_and(|(of, _)| of == clients)
        });
        let ratio = zupa.map(|(_, path)| path.turns_per_second / floor.turns_per_second);
        let name = match script {
            Script::EightStatements => "eight statements",
            Script::OneFunction => "one function",
        };
        let clients = if clients == ONE {
            "1 client".to_owned()
        } else {
            format!("{clients} clients")
        };
        table::line(format_args!(
            "{:<34}{:>14.0}{:>14.2}{:>16}",
            format!("{name}, {clients}"),
            floor.turns_per_second,
            floor.mean_ms,
            table::number(ratio, 2),
        ));
    }
}

pub(super) fn json(measured: &Measurements, goals: &[Goal]) {
    let paths = measured.paths.iter().map(|(workload, path)| {
        let (concurrency, rate) = match workload.load {
            Load::Closed { in_flight } => (Some(in_flight), None),
            Load::Open { per_second } => (None, Some(per_second)),
        };
        let mut object = json!({
            "conversations": workload.conversations,
            "concurrency": concurrency,
            "rate": rate,
            "model_ms": workload.model_ms,
            "events_per_second": workload.events_per_second,
            "durability": workload.durability.as_str(),
            "seed": workload.seed,
        });
        add(&mut object, figures(path));
        if let Some((clients, [eight, one])) = measured.floors_of(workload) {
            let ratio = |floor: Measured| path.turns_per_second / floor.turns_per_second;
            let ratios = json!({
                "clients": clients,
                "eight_statements": ratio(eight),
                "one_function": ratio(one),
            });
            add(&mut object, json!({ "ratio": ratios }));
        }
        object
    });
    let floor = |script| json!({ "clients_16": measured.floor(script, MANY), "clients_1": measured.floor(script, ONE) });
    let pgbench = measured.floors.map(|_| {
        json!({
            "eight_statements": floor(Script::EightStatements),
            "one_function": floor(Script::OneFunction),
        })
    });
    table::json(&json!({
        "version": 1,
        "program": "zupa",
        "store": "postgres",
        "server": measured.settings,
        "rounds": measured.rounds,
        "workloads": paths.collect::<Vec<Value>>(),
        "pgbench": pgbench,
        "skipped": if pgbench.is_none() { vec!["pgbench: not installed"] } else { vec![] },
        "goals": goals.iter().map(Goal::json).collect::<Vec<_>>(),
    }));
}
