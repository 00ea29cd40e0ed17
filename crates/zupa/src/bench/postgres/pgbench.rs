//! The floor on a server: pgbench does one turn's writes, as eight statements in
//! a transaction of their own, or as one call of a function.

use std::path::PathBuf;

use serde::Serialize;

use super::super::cannot;
use super::super::folder::Folder;
use super::super::workload::{TEXT, Workload};
use super::server::{Server, program};
use crate::cli::{Code, Failure};

/// Bytes of a checkpoint.
const STATE: usize = 2_048;

/// How a turn is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    EightStatements,
    OneFunction,
}

/// What pgbench measured.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Measured {
    pub turns_per_second: f64,
    pub mean_ms: f64,
}

/// The program, with its scripts in a folder.
pub(super) struct Pgbench {
    program: PathBuf,
    tables: PathBuf,
    eight_statements: PathBuf,
    one_function: PathBuf,
}

impl Pgbench {
    /// Finds the program. None: it is not installed.
    pub(super) fn find(folder: &Folder) -> Result<Option<Self>, Failure> {
        let Some(program) = program("pgbench") else {
            return Ok(None);
        };
        let write = |name, text| folder.write(name, text);
        Ok(Some(Self {
            program,
            tables: write("tables.sql", include_str!("../pgbench/tables.sql"))?,
            eight_statements: write(
                "eight_statements.sql",
                include_str!("../pgbench/eight_statements.sql"),
            )?,
            one_function: write(
                "one_function.sql",
                include_str!("../pgbench/one_function.sql"),
            )?,
        }))
    }

    /// Runs a script with so many clients, on tables of its own.
    pub(super) fn run(
        &self,
        server: &Server,
        script: Script,
        clients: u32,
        workload: &Workload,
    ) -> Result<Measured, Failure> {
        server.run_file(&self.tables)?;
        let file = match script {
            Script::EightStatements => &self.eight_statements,
            Script::OneFunction => &self.one_function,
        };
        let state: String = (0..)
            .map(|sequence| workload.text(sequence))
            .take(STATE / TEXT + 1)
            .collect();
        let variables = [
            "turn=0".to_owned(),
            format!("question={}", workload.text(0)),
            format!("answer={}", workload.text(1)),
            format!("state={}", &state[..STATE]),
        ];
        let mut pgbench = server.client(&self.program);
        pgbench
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(2)))
            .arg(format!("--time={}", workload.seconds.ceil()))
            .args(variables.map(|variable| format!("--define={variable}")))
            .arg("--file")
            .arg(file)
            .arg(server.place());
        let output = pgbench.output().map_err(cannot("start pgbench"))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(Code::Failed, "pgbench failed")
                .because(why.lines().last().unwrap_or_default()));
        }
        read(&String::from_utf8_lossy(&output.stdout))
    }
}

/// Reads what pgbench says at its end.
fn read(said: &str) -> Result<Measured, Failure> {
    let number = |name: &str| {
        said.lines().find_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
    };
    match (number("tps = "), number("latency average = ")) {
        (Some(turns_per_second), Some(mean_ms)) => Ok(Measured {
            turns_per_second,
            mean_ms,
        }),
        _ => {
            Err(Failure::new(Code::Failed, "pgbench said nothing that could be read").because(said))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_says_is_read() {
        let said = "number of failed transactions: 0 (0.000%)\nlatency average = 3.285 ms\n\
                    initial connection time = 12.3 ms\n\
                    tps = 4870.123 (without initial connection time)\n";
        let measured = read(said).unwrap();
        assert_eq!(measured.turns_per_second, 4_870.123);
        assert_eq!(measured.mean_ms, 3.285);
        assert!(read("pgbench: error").is_err());
    }
}
