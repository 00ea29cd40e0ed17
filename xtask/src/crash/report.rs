//! The report of a run: what was asked, what was seen, and the verdict. How it
//! reads on a terminal is in `print`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use super::check::sends::Sends;
use super::check::{Check, Violation};
use super::marks::Phase;
use super::options::Options;
use super::recovery::Recovery;
use super::replicated::Replicated;
use super::soak::Figures;
use super::stats::{Stats, percentile};
use super::tally::Tally;

/// Findings that are printed; the rest is counted.
const SHOWN: usize = 20;

#[derive(Debug, Serialize)]
pub struct Report {
    pub version: u32,
    pub commit: String,
    pub options: Options,
    pub counts: Counts,
    pub phases: Vec<PhaseRow>,
    pub stats: Option<Stats>,
    pub times: Times,
    pub recovery: Option<Recovery>,
    pub replicated: Option<Replicated>,
    pub sends: Option<Sends>,
    pub soak: Option<Figures>,
    /// What could not be looked at.
    pub skipped: Vec<String>,
    pub verdict: Verdict,
    pub caught_by: BTreeSet<Check>,
    pub violations_total: usize,
    pub violations_by_check: BTreeMap<Check, usize>,
    pub violations: Vec<Violation>,
    /// Every finding, for the file beside the logs.
    #[serde(skip)]
    pub all: Vec<Violation>,
}

#[derive(Debug, Default, Serialize)]
pub struct Counts {
    pub messages: u64,
    pub redelivered: u64,
    pub deliveries_without_answer: u64,
    pub refused: u64,
    pub refused_without_retry_after: u64,
    pub replies: u64,
    pub model_calls: u64,
    pub model_calls_incomplete: u64,
    pub turns_compared_with_calls: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PhaseRow {
    pub phase: Phase,
    pub died: u64,
    pub required: u64,
}

#[derive(Debug, Default, Serialize)]
pub struct Times {
    pub ready_p50_ms: Option<f64>,
    pub ready_p99_ms: Option<f64>,
    pub first_ack_p50_ms: Option<f64>,
    pub first_ack_p99_ms: Option<f64>,
    pub drain_ms: Option<f64>,
    pub whole_run_s: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Ok,
    Violated,
    /// The planted bug was found, as it was to be.
    Caught,
    NotCaught,
}

pub fn phases(tally: &Tally, required: u64) -> Vec<PhaseRow> {
    Phase::OPEN
        .map(|phase| PhaseRow {
            phase,
            died: tally.died(phase),
            required,
        })
        .into()
}

pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

impl Times {
    pub fn of(stats: &Stats, drained_in: Option<Duration>, whole: Duration) -> Self {
        let at = |times: &[Duration], percent| percentile(times, percent).map(millis);
        Self {
            ready_p50_ms: at(&stats.ready, 50),
            ready_p99_ms: at(&stats.ready, 99),
            first_ack_p50_ms: at(&stats.first_ack, 50),
            first_ack_p99_ms: at(&stats.first_ack, 99),
            drain_ms: drained_in.map(millis),
            whole_run_s: (whole.as_secs_f64() * 10.0).round() / 10.0,
        }
    }
}

/// The first of each checker, then the second of each, and so on: a loud checker
/// must not hide a quiet one.
fn shown(violations: Vec<Violation>) -> Vec<Violation> {
    let mut before: BTreeMap<Check, usize> = BTreeMap::new();
    let mut ranked: Vec<_> = violations
        .into_iter()
        .map(|found| {
            let rank = before.entry(found.check).or_default();
            *rank += 1;
            (*rank, found)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.truncate(SHOWN);
    ranked.sort_by_key(|(rank, found)| (found.check, *rank));
    ranked.into_iter().map(|(_, found)| found).collect()
}

/// With `--expect-caught` a run is good when a checker found something about messages.
pub fn verdict(expect_caught: bool, violations: &[Violation]) -> (Verdict, BTreeSet<Check>) {
    let caught_by: BTreeSet<Check> = violations
        .iter()
        .map(|found| found.check)
        .filter(|check| check.proves())
        .collect();
    let verdict = match (expect_caught, violations.is_empty()) {
        (true, _) if caught_by.is_empty() => Verdict::NotCaught,
        (true, _) => Verdict::Caught,
        (false, true) => Verdict::Ok,
        (false, false) => Verdict::Violated,
    };
    (verdict, caught_by)
}

impl Report {
    pub fn judged(mut self, violations: Vec<Violation>) -> Self {
        (self.verdict, self.caught_by) = verdict(self.options.expect_caught, &violations);
        self.violations_total = violations.len();
        for found in &violations {
            *self.violations_by_check.entry(found.check).or_default() += 1;
        }
        self.violations = shown(violations.clone());
        self.all = violations;
        self
    }

    pub fn good(&self) -> bool {
        matches!(self.verdict, Verdict::Ok | Verdict::Caught)
    }

    /// The exit: an error says the verdict once more, in one line.
    pub fn into_result(self) -> anyhow::Result<()> {
        match self.verdict {
            Verdict::Ok | Verdict::Caught => Ok(()),
            Verdict::Violated => bail!(
                "{} violations with seed {}",
                self.violations_total,
                self.options.seed
            ),
            Verdict::NotCaught => bail!(
                "no checker caught the planted bug {:?}",
                self.options.bug.unwrap_or_default()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(checks: &[Check], expect_caught: bool) -> Verdict {
        let violations: Vec<Violation> = checks
            .iter()
            .map(|check| Violation::new(*check, "x"))
            .collect();
        verdict(expect_caught, &violations).0
    }

    #[test]
    fn a_clean_run_is_ok_only_when_nothing_was_to_be_caught() {
        assert_eq!(of(&[], false), Verdict::Ok);
        assert_eq!(of(&[], true), Verdict::NotCaught);
    }

    #[test]
    fn a_quiet_checker_is_shown_beside_a_loud_one() {
        let loud = (0..100).map(|n| Violation::new(Check::Coverage, n.to_string()));
        let quiet = Violation::new(Check::Quarantine, "quiet");
        let shown = shown(loud.chain([quiet.clone()]).collect());
        assert_eq!((shown.len(), shown.last()), (SHOWN, Some(&quiet)));
        assert_eq!(shown[0].detail, "0");
    }

    #[test]
    fn a_bug_is_caught_by_a_finding_about_messages_alone() {
        assert_eq!(of(&[Check::Coverage, Check::Phases], true), Verdict::Caught);
        assert_eq!(
            of(&[Check::Phases, Check::Server, Check::Drain], true),
            Verdict::NotCaught
        );
        assert_eq!(of(&[Check::Phases], false), Verdict::Violated);
    }
}
