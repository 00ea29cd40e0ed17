//! What a run counted, and the line that shows it goes on.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::marks::Phase;
use super::tally::Tally;

#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    pub starts: u32,
    pub kills_at_random: u32,
    pub kills_in_phase: u32,
    /// Aimed at a phase that did not show up in time.
    pub kills_missed: u32,
    pub kills_at_startup: u32,
    pub extra_cycles: u32,
    pub pauses: u32,
    pub terminations: Terminations,
    pub cuts: u32,
    pub connections_ended: u32,
    pub aborts: u32,
    pub aborts_by_poison: Vec<u32>,
    pub integrity_checks: u32,
    pub accountings: u32,
    #[serde(skip)]
    pub ready: Vec<Duration>,
    #[serde(skip)]
    pub first_ack: Vec<Duration>,
}

/// Ends that were asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Terminations {
    /// Those that came of one signal.
    pub once: Vec<Ending>,
    /// Those where others followed.
    pub twice: Vec<Ending>,
}

/// One end that was asked for.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ending {
    /// From the first signal on.
    pub took: Duration,
    /// Turns in flight at the first signal.
    pub in_flight: usize,
}

impl Stats {
    pub fn kills(&self) -> u32 {
        self.kills_at_random + self.kills_in_phase + self.kills_missed + self.kills_at_startup
    }

    /// A line that is rewritten on a terminal, and stays rare elsewhere.
    pub fn progress(&self, cycle: u32, cycles: u32, tally: &Tally) {
        let phases = Phase::OPEN
            .map(|phase| format!("{} {}", phase.name(), tally.died(phase)))
            .join(", ");
        let line = format!(
            "cycle {cycle}/{cycles}, {} kills; died in: {phases}",
            self.kills()
        );
        let mut out = std::io::stderr().lock();
        let written = if out.is_terminal() {
            write!(
                out,
                "\r{line}\x1b[K{}",
                if cycle == cycles { "\n" } else { "" }
            )
        } else if cycle.is_multiple_of(20) || cycle == cycles {
            writeln!(out, "{line}")
        } else {
            Ok(())
        };
        // A run does not fail because nobody reads along.
        drop(written);
    }
}

/// The value below which so many percent lie.
pub fn percentile(values: &[Duration], percent: usize) -> Option<Duration> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Some(Duration::from_millis(51)));
        assert_eq!(percentile(&values, 99), Some(Duration::from_millis(100)));
        assert_eq!(
            percentile(&values[..1], 99),
            Some(Duration::from_millis(100))
        );
        assert_eq!(percentile(&[], 50), None);
    }
}
