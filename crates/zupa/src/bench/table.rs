//! Figures for people.

use std::io::Write;

use serde_json::Value;

use super::compare::{Compared, words};
use super::figures::Figures;

/// Prints one line to stdout; a reader that has gone away is not our failure.
pub(super) fn line(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value as JSON, over several lines.
pub(super) fn json(value: &Value) {
    line(format_args!("{value:#}"));
}

/// A figure's name, the figure, and its digits behind the point.
pub(super) type Row = (&'static str, fn(&Figures) -> Option<f64>, usize);

/// Rows of a run that emitted events.
pub(super) const EVENTS: [Row; 3] = [
    (
        "events emitted",
        |f| f.events.map(|events| events.emitted as f64),
        0,
    ),
    (
        "events delivered",
        |f| f.events.map(|events| events.delivered as f64),
        0,
    ),
    (
        "events dropped",
        |f| f.events.map(|events| events.dropped as f64),
        0,
    ),
];

/// Prints floor and path side by side.
pub(super) fn compared(compared: &Compared) {
    let (floor, path) = (&compared.floor, compared.path.as_ref());
    let each = path.unwrap_or(floor).seconds;
    line(format_args!("{}", words(&compared.workload)));
    line(format_args!(
        "median of {} round(s) of {each:.1} s each, every program in a process of its own\n",
        compared.rounds
    ));
    line(format_args!(
        "{:<34}{:>12}{:>12}{:>10}",
        "", "zupa", "floor", "ratio"
    ));
    let rows: [Row; 13] = [
        ("turns/s", |f| Some(f.turns_per_second), 0),
        ("p50 ms", |f| Some(f.p50_ms), 2),
        ("p99 ms", |f| Some(f.p99_ms), 2),
        ("longest ms", |f| Some(f.max_ms), 2),
        ("turns", |f| Some(f.turns as f64), 0),
        ("commits", |f| Some(f.commits as f64), 0),
        ("requests per commit", |f| Some(f.items_per_commit), 1),
        ("writer busy, %", |f| Some(f.writer_busy * 100.0), 0),
        ("processors busy", |f| Some(f.processors), 2),
        (
            "stored bytes/turn beyond payload",
            |f| Some(f.bytes_per_turn),
            0,
        ),
        ("log bytes/turn", |f| f.wal_bytes_per_turn, 0),
        ("memory, MB", |f| Some(megabytes(f.rss_bytes)), 1),
        ("unanswered", |f| Some(f.unanswered as f64), 0),
    ];
    let told = path.is_some_and(|path| path.events.is_some());
    let events = EVENTS.into_iter().filter(|_| told);
    for (name, figure, digits) in rows.into_iter().chain(events) {
        let (zupa, limit) = (path.and_then(figure), figure(floor));
        let ratio = zupa.zip(limit).filter(|(_, limit)| *limit > 0.0);
        line(format_args!(
            "{name:<34}{:>12}{:>12}{:>10}",
            number(zupa, digits),
            number(limit, digits),
            number(ratio.map(|(zupa, limit)| zupa / limit), 2),
        ));
    }
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A number with so many digits behind the point, or a dash.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}
