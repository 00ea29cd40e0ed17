//! One measurement, one process: the benchmark starts itself with a hidden flag,
//! reads marks from its output as they come, and the figures from the last line.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::workload::Workload;
use super::{cannot, clock, floor, path};
use crate::cli::{Code, Failure};

/// Which program is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Program {
    Floor,
    Path,
}

/// What a process of ours is started for.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub program: Program,
    pub task: Task,
    pub workload: Workload,
    pub place: Place,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Run the workload.
    Run,
    /// Run the workload, rest, and weigh.
    Idle,
    /// Turns of one conversation, up to this one.
    History(u64),
    /// Accept so many messages and die.
    Pile(u32),
    /// Start on what is left of them.
    Recover(u32),
    /// Accept one message.
    AcceptOne,
}

/// What a process told: marks with their time since it was started, and figures.
pub(super) struct Told<T> {
    pub marks: HashMap<String, Duration>,
    pub figures: Option<T>,
}

impl Job {
    /// Runs this in a process of its own. A [`Task::Pile`] is expected to die.
    pub(super) fn run<T: DeserializeOwned>(&self) -> Result<Told<T>, Failure> {
        let job = serde_json::to_string(self).map_err(cannot("write its job"))?;
        let program = std::env::current_exe().map_err(cannot("find its own program"))?;
        let dies = matches!(self.task, Task::Pile(_));
        let began = clock::now();
        let mut child = Command::new(program)
            .args(["bench", "--job"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot("start its own program"))?;
        // Not among its arguments, which everybody on the machine can read: a
        // URL may hold a password.
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(job.as_bytes())
                .map_err(cannot("tell its own program its job"))?;
        }
        let mut told = Told {
            marks: HashMap::new(),
            figures: None,
        };
        for line in child
            .stdout
            .take()
            .map(BufReader::new)
            .into_iter()
            .flat_map(BufRead::lines)
        {
            let line = line.map_err(cannot("read what its own program says"))?;
            if let Some(mark) = line.strip_prefix(MARK) {
                told.marks.insert(mark.to_owned(), began.elapsed());
            } else {
                let figures = serde_json::from_str(&line);
                told.figures = figures.map_err(cannot("read what its own program measured"))?;
            }
        }
        let status = child.wait().map_err(cannot("wait for its own program"))?;
        if status.success() == dies {
            let what = format!("a measurement of the {:?} failed", self.program).to_lowercase();
            return Err(Failure::new(Code::Failed, what).because(status));
        }
        Ok(told)
    }
}

impl<T> Told<T> {
    /// The figures, which a run that ended well has told.
    pub(super) fn figures(self) -> Result<T, Failure> {
        self.figures
            .ok_or_else(|| Failure::new(Code::Failed, "a measurement told no figures"))
    }

    /// The time of a mark, in milliseconds.
    pub(super) fn mark(&self, name: &str) -> Result<f64, Failure> {
        let at = self.marks.get(name).copied().map(clock::millis);
        at.ok_or_else(|| Failure::new(Code::Failed, format!("a measurement never got to {name:?}")))
    }
}

const MARK: &str = "mark ";

/// Tells whoever started us that something has happened just now.
pub(super) fn mark(name: &str) {
    say(&format!("{MARK}{name}"));
}

/// Runs the job that is told on stdin, in this process.
pub(super) fn run() -> Result<Code, Failure> {
    let mut job = String::new();
    std::io::stdin()
        .read_to_string(&mut job)
        .map_err(cannot("read its job"))?;
    let Job {
        program,
        task,
        workload,
        place,
    } = serde_json::from_str(&job).map_err(cannot("read its job"))?;
    match (program, task) {
        (Program::Floor, Task::Run) => tell(&floor::run(&workload, place.file()?)?)?,
        (Program::Path, Task::Run) => tell(&path::run(&workload, &place)?)?,
        (Program::Path, Task::Idle) => tell(&path::idle(&workload, &place)?)?,
        (Program::Path, Task::History(last)) => tell(&path::history(&workload, &place, last)?)?,
        (Program::Floor, Task::Pile(messages)) => floor::pile(&workload, place.file()?, messages)?,
        (Program::Path, Task::Pile(messages)) => path::pile(&workload, &place, messages)?,
        (Program::Floor, Task::Recover(_)) => floor::recover(&workload, place.file()?)?,
        (Program::Path, Task::Recover(messages)) => path::recover(&workload, &place, messages)?,
        (Program::Floor, Task::AcceptOne) => floor::accept_one(&workload, place.file()?)?,
        (Program::Path, Task::AcceptOne) => path::accept_one(&workload, &place)?,
        (Program::Floor, Task::Idle | Task::History(_)) => {
            return Err(Failure::new(Code::Usage, "the floor has no such task"));
        }
    }
    Ok(Code::Ok)
}

fn tell<T: Serialize>(figures: &T) -> Result<(), Failure> {
    say(&serde_json::to_string(figures).map_err(cannot("write its figures"))?);
    Ok(())
}

fn say(line: &str) {
    // A reader that has gone away is not our failure.
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Shows how far we are, on a terminal only; empty takes it away.
pub(super) fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}
