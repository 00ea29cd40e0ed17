//! The platform behind the doors, in a run that has one: a file in which each
//! replica leaves a line for each message that it sends. It is read beside the
//! store's own list of deliveries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::check::sends::{self, Sends};
use super::operator::Accounting;
use super::place::Place;
use super::stage::{Ground, Stage};

/// How long a send may take, in milliseconds; twice that, and others may hold it
/// to be in doubt. Shorter than a long pause.
pub const TIMEOUT_MS: u64 = 1000;
/// How long a send without an answer waits for evidence, in milliseconds.
pub const DOUBT_MS: u64 = 2000;

/// What a replica logs when it wakes up too late to send, and when it settles
/// what somebody has left on the wire.
const HELD_UP: &str = "a send was held up; it did not leave";
const IN_DOUBT: &str = "settling a send in doubt";

/// Who drops a message that is sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sink {
    /// The platform, by our key
    ByKey,
    /// Nobody
    Never,
}

impl Sink {
    /// How a faults build is asked for it.
    pub fn spelled(self, stage: &Stage) -> String {
        let kind = match self {
            Self::ByKey => "by-key",
            Self::Never => "never",
        };
        format!("{kind}:{}", file(stage).display())
    }
}

fn file(stage: &Stage) -> PathBuf {
    stage.dir.join("sink")
}

/// A message that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Turn and ordinal, the key on the wire; without hyphens, as the rows'.
    pub key: String,
    pub attempt: u32,
    pub process: u32,
    pub at: u64,
}

impl Line {
    pub fn parse(line: &str) -> anyhow::Result<Self> {
        let read = || {
            let mut words = line.split(' ');
            let line = Self {
                key: words.next()?.replace('-', ""),
                attempt: words.next()?.parse().ok()?,
                process: words.next()?.parse().ok()?,
                at: words.next()?.parse().ok()?,
            };
            words.next().is_none().then_some(line)
        };
        read().with_context(|| format!("odd line of the sink: {line:?}"))
    }
}

/// A delivery as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub conversation: String,
    pub number: u64,
    pub key: String,
    pub state: String,
    pub attempts: u32,
    pub committed_at: u64,
}

impl Row {
    /// The columns, for both stores.
    pub fn sql(of_uuid: fn(&str) -> String, table: &str) -> String {
        format!(
            "select {}, number, {} || '.' || ordinal, state, attempts, committed_at
             from {table} order by conversation, number",
            of_uuid("conversation"),
            of_uuid("turn_id")
        )
    }

    pub fn parse(line: &str) -> anyhow::Result<Self> {
        let read = || {
            let mut columns = line.split('|');
            Some(Self {
                conversation: columns.next()?.to_owned(),
                number: columns.next()?.parse().ok()?,
                key: columns.next()?.replace('-', ""),
                state: columns.next()?.to_owned(),
                attempts: columns.next()?.parse().ok()?,
                committed_at: columns.next()?.parse().ok()?,
            })
        };
        read().with_context(|| format!("odd delivery {line:?}"))
    }
}

/// Reads what left and what the store knows of it. No replica runs any more; the
/// last thing that one of them said were its books.
pub fn look(
    sink: Sink,
    stage: &Stage,
    ground: &Ground,
    books: Option<&Accounting>,
) -> anyhow::Result<Sends> {
    // Without a single send there is no file.
    let lines = fs::read_to_string(file(stage)).unwrap_or_default();
    let lines = lines.lines().map(Line::parse);
    let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
    let rows = match &ground.database {
        Some(database) => database.deliveries()?,
        None => rows_of_file(&stage.places)?,
    };
    let rows = rows.lines().map(Row::parse);
    let rows = rows.collect::<anyhow::Result<Vec<_>>>()?;
    let mut sends = sends::check(sink, &lines, &rows);
    let everywhere = |words| stage.places.iter().map(|place| said(place, words)).sum();
    sends.held_up = everywhere(HELD_UP);
    sends.in_doubt = everywhere(IN_DOUBT);
    sends.violations.extend(sends::listed(sends.unknown, books));
    Ok(sends)
}

fn rows_of_file(places: &[Place]) -> anyhow::Result<String> {
    let file = places.first().and_then(Place::database);
    let file: &Path = file.context("there is no store to look into")?;
    asked(
        file,
        &Row::sql(|column| format!("lower(hex({column}))"), "outbox"),
    )
}

/// What the command line of SQLite answers.
pub fn asked(file: &Path, sql: &str) -> anyhow::Result<String> {
    let output = Command::new("sqlite3")
        .arg(file)
        .arg(sql)
        .output()
        .context("cannot run sqlite3, which a run that sends needs on SQLite")?;
    ensure!(
        output.status.success(),
        "sqlite3 says: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How often a replica logged this.
pub fn said(place: &Place, words: &str) -> u64 {
    // A replica that was never started has no log.
    let log = fs::read(place.server_log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    log.lines().filter(|line| line.contains(words)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_rows_speak_of_the_same_key() -> anyhow::Result<()> {
        let line = Line::parse("01-ab.0 2 77 5")?;
        assert_eq!((line.attempt, line.process, line.at), (2, 77, 5));
        assert_eq!(line.key, "01ab.0");
        for row in ["c|3|01-ab.0|sent|2|4", "c|3|01ab.0|sent|2|4"] {
            let row = Row::parse(row)?;
            assert_eq!((row.number, row.key.as_str()), (3, "01ab.0"));
        }
        Ok(())
    }

    #[test]
    fn a_torn_line_is_an_error() {
        for odd in ["", "k.0 1 7", "k.0 1 7 5 9", "k.0 1 7 x"] {
            assert!(Line::parse(odd).is_err(), "{odd:?}");
        }
        assert!(Row::parse("c|3|k.0|sent").is_err());
    }
}
