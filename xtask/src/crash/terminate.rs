//! SIGTERM under load: the process ends in order within its deadline. Every fifth time
//! somebody is impatient and sends it again and again, which ends it at once and is as
//! safe as a crash.
//!
//! `cargo xtask terminate` is a run of nothing else.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use super::check::{Check, Violation};
use super::life::Moment;
use super::nemesis::Nemesis;
use super::options::Options;
use super::stats::Terminations;

/// More than `shutdown.deadline_ms`, which is 10 s. Whether it ended in order or at once
/// is told by its code.
const DEADLINE: Duration = Duration::from_secs(15);
/// One signal out of so many is followed by another one.
const HASTY: u32 = 5;
/// How a process ends that was told twice.
const INTERRUPTED: i32 = 130;

/// Ask a loaded `zupa serve` to end again and again: it does so within its deadline with
/// code 0, and nothing is lost or doubled.
#[derive(Debug, Clone, clap::Args)]
pub struct TerminateOptions {
    /// How often
    #[arg(long, default_value_t = 50)]
    cycles: u32,
    /// Seed of every decision the harness takes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use this binary, with the feature `faults`, instead of building one
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Build with the release profile
    #[arg(long)]
    release: bool,
    /// Keep the data directory
    #[arg(long)]
    keep: bool,
    /// Print a machine-readable report
    #[arg(long)]
    json: bool,
}

impl From<TerminateOptions> for Options {
    fn from(asked: TerminateOptions) -> Self {
        Self {
            terminations: Some(asked.cycles),
            seed: asked.seed,
            binary: asked.binary,
            release: asked.release,
            keep: asked.keep,
            json: asked.json,
            ..Self::default()
        }
    }
}

/// How often it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Once,
    Twice,
}

impl Nemesis {
    pub async fn terminate(&mut self, number: u32) -> anyhow::Result<()> {
        self.raise(25).await?;
        let victim = self.victim();
        let mut life = self.up(victim, 25).await?;
        let time = Duration::from_millis(self.dice.random_range(100..1200));
        if let Moment::Died(status) = life.wait(time).await? {
            return self.found_dead(life, status);
        }
        let told = match number % HASTY {
            4 => Told::Twice,
            _ => Told::Once,
        };
        let ours = &mut self.stats.terminations;
        ours.under_way += life.under_way.turns.len() as u64;
        let again = Duration::from_millis(self.dice.random_range(20..100));
        let again = (told == Told::Twice).then_some(again);
        let at = Instant::now();
        let (ended, marks) = life.end(again, DEADLINE).await?;
        match told {
            Told::Once => {
                ours.once.push(at.elapsed());
                self.tally.ended(marks);
            }
            Told::Twice => {
                ours.twice.push(at.elapsed());
                self.tally.killed(marks);
            }
        }
        if let Some(detail) = verdict(told, ended.as_ref()) {
            self.violations.push(Violation::new(Check::Server, detail));
        }
        self.hear()
    }
}

/// What is wrong with such an end; none for a process that did not end.
fn verdict(told: Told, ended: Option<&ExitStatus>) -> Option<String> {
    let code = ended.and_then(ExitStatus::code);
    match (told, code) {
        (Told::Once, Some(0)) | (Told::Twice, Some(INTERRUPTED)) => None,
        // It was done before the second signal came.
        (Told::Twice, Some(0)) => None,
        (_, _) => Some(match ended {
            Some(status) => format!("told {told:?} to end, it ended with {status}"),
            None => format!("told {told:?} to end, it went on beyond its deadline"),
        }),
    }
}

/// Signals at idle processes show nothing.
pub fn threshold(seen: &Terminations) -> Option<Violation> {
    let ends = (seen.once.len() + seen.twice.len()) as u64;
    let detail = format!(
        "only {} turns were under way at {ends} signals",
        seen.under_way
    );
    (seen.under_way < ends).then(|| Violation::new(Check::Phases, detail))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn an_end_has_its_code_and_its_time() {
        let code = |code: i32| ExitStatus::from_raw(code << 8);
        let wrong = |told, ended: Option<ExitStatus>| verdict(told, ended.as_ref()).is_some();
        assert!(!wrong(Told::Once, Some(code(0))));
        assert!(wrong(Told::Once, Some(code(130))));
        assert!(wrong(Told::Once, Some(ExitStatus::from_raw(9))));
        assert!(wrong(Told::Once, None));
        assert!(!wrong(Told::Twice, Some(code(130))));
        assert!(!wrong(Told::Twice, Some(code(0))));
        assert!(wrong(Told::Twice, Some(code(1))));
        assert!(wrong(Told::Twice, None));
    }

    #[test]
    fn ends_without_load_are_caught() {
        let seen = |under_way| Terminations {
            once: vec![Duration::ZERO; 8],
            twice: vec![Duration::ZERO; 2],
            under_way,
        };
        assert!(threshold(&seen(9)).is_some());
        assert_eq!(threshold(&seen(10)), None);
        assert_eq!(threshold(&Terminations::default()), None);
    }
}
