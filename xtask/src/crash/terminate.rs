//! SIGTERM under full load: the process ends in order within its deadline. Somebody who
//! is impatient and sends it again and again ends it at once, which is as safe as a crash.
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
use super::stats::{Ending, Terminations};

/// What is promised: `shutdown.deadline_ms`. Whether it ended in order or at once is told
/// by its code.
const DEADLINE: Duration = Duration::from_secs(10);
/// How a process ends that was told twice.
const INTERRUPTED: i32 = 130;
/// Full load: so many turns are in flight at a signal.
const FULL_LOAD: usize = 32;
/// Long enough for them, with all the people of a run.
const THINKS_MS: u64 = 300;

/// Ask a loaded `zupa serve` to end again and again: it does so within its deadline with
/// code 0, and nothing is lost or doubled.
#[derive(Debug, Clone, clap::Args)]
pub struct TerminateOptions {
    /// How often; behind every fifth end one more is told twice
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

/// How much longer than usual the model takes in such a run.
pub fn thinks_ms(options: &Options) -> u64 {
    match options.terminations {
        None | Some(0) => 0,
        Some(_) => THINKS_MS,
    }
}

/// How often it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Once,
    Twice,
}

impl Nemesis {
    pub async fn terminate(&mut self, told: Told) -> anyhow::Result<()> {
        self.raise(25).await?;
        let victim = self.victim();
        let mut life = self.up(victim, 25).await?;
        let time = Duration::from_millis(self.dice.random_range(50..500));
        for moment in [life.wait(time).await?, life.wait_for_load(FULL_LOAD).await?] {
            if let Moment::Died(status) = moment {
                return self.found_dead(life, status);
            }
        }
        let in_flight = life.under_way.turns.len();
        let again = Duration::from_millis(self.dice.random_range(20..100));
        let again = (told == Told::Twice).then_some(again);
        let at = Instant::now();
        let (ended, marks) = life.end(again, DEADLINE).await?;
        let ending = Ending {
            took: at.elapsed(),
            in_flight,
        };
        match told {
            Told::Once => {
                self.stats.terminations.once.push(ending);
                self.tally.ended(marks);
            }
            Told::Twice => {
                self.stats.terminations.twice.push(ending);
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

/// A signal at a process with little to do shows little.
pub fn threshold(seen: &Terminations) -> Option<Violation> {
    let all = || seen.once.iter().chain(&seen.twice);
    let idle = all().filter(|ending| ending.in_flight < FULL_LOAD).count();
    let detail = format!(
        "at {idle} of {} signals fewer than {FULL_LOAD} turns were in flight",
        all().count()
    );
    (idle > 0).then(|| Violation::new(Check::Phases, detail))
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
    fn a_signal_without_load_is_caught_whatever_the_others_met() {
        let ending = |in_flight| Ending {
            took: Duration::ZERO,
            in_flight,
        };
        let mut seen = Terminations {
            once: [FULL_LOAD, 500, 500].map(ending).into(),
            twice: vec![ending(FULL_LOAD)],
        };
        assert_eq!(threshold(&seen), None);
        seen.twice.push(ending(FULL_LOAD - 1));
        let found = threshold(&seen).map(|found| found.detail);
        assert_eq!(
            found.as_deref(),
            Some("at 1 of 5 signals fewer than 32 turns were in flight")
        );
        assert_eq!(threshold(&Terminations::default()), None);
    }
}
