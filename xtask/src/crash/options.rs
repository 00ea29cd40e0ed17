//! What one run is asked to do, and the scaled defaults.

use std::path::PathBuf;

use serde::Serialize;

/// Cycles from which a run counts as a full one.
const FULL: u32 = 100;

/// Kill `zupa serve` again and again, and prove that nothing was lost or doubled.
///
/// `cargo xtask crash` is the short run of CI; the full one is
/// `cargo xtask crash --cycles 200 --messages 20000 --seed S`.
#[derive(Debug, Clone, Serialize, clap::Args)]
pub struct Options {
    /// Kill cycles
    #[arg(long, default_value_t = 12)]
    pub cycles: u32,
    /// Seed of every decision the harness takes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Messages to send [default: 100 a cycle; 10,000 with --recovery]
    #[arg(long)]
    pub messages: Option<u32>,
    /// Conversations, a fifth of them at the second tenant [default: 50; 1,000 with --recovery]
    #[arg(long)]
    pub conversations: Option<u32>,
    /// Use this binary instead of building one
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// Build with the release profile
    #[arg(long)]
    pub release: bool,
    /// Switch on one planted bug of the faults build
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// Succeed only if a checker finds something
    #[arg(long)]
    pub expect_caught: bool,
    /// Measure the recovery with many accepted messages instead of the kill loop
    #[arg(long)]
    pub recovery: bool,
    /// Messages that abort the process by themselves [default: 1; 3 in a full run; 0 with --bug]
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "1")]
    pub poison: Option<u32>,
    /// Times the process is stopped for longer than its claims live [default: 0; 4 with --bug commit-without-epoch]
    #[arg(long, value_name = "COUNT")]
    pub pauses: Option<u32>,
    /// Turns that must have died in each phase [default: 20 in 200 cycles]
    #[arg(long, value_name = "COUNT")]
    pub min_per_phase: Option<u32>,
    /// Keep the data directory
    #[arg(long)]
    pub keep: bool,
    /// Print a machine-readable report
    #[arg(long)]
    pub json: bool,
    /// Run as the oracle of another run, with its brief
    #[arg(long, hide = true, value_name = "BRIEF")]
    #[serde(skip)]
    pub oracle: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cycles: 12,
            seed: 1,
            messages: None,
            conversations: None,
            binary: None,
            release: false,
            bug: None,
            expect_caught: false,
            recovery: false,
            poison: None,
            pauses: None,
            min_per_phase: None,
            keep: false,
            json: false,
            oracle: None,
        }
    }
}

impl Options {
    /// The same options with every default spelled out, as the report prints them.
    pub fn expanded(mut self) -> Self {
        let (messages, conversations) = if self.recovery {
            (10_000, 1_000)
        } else {
            (self.cycles.saturating_mul(100), 50)
        };
        let poison = match (&self.bug, self.recovery) {
            (Some(_), _) | (_, true) => 0,
            _ if self.cycles >= FULL => 3,
            _ => 1,
        };
        // A stale epoch needs a claim that expires under a living process.
        let pauses = if self.bug.as_deref() == Some("commit-without-epoch") {
            4
        } else {
            0
        };
        let per_phase = self.cycles.div_ceil(10).min(20);

        self.messages.get_or_insert(messages);
        self.conversations.get_or_insert(conversations);
        self.poison.get_or_insert(poison);
        self.pauses.get_or_insert(pauses);
        self.min_per_phase.get_or_insert(per_phase);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parsed(line: &[&str]) -> anyhow::Result<Options> {
        let line = std::iter::once(&"crash").chain(line);
        Ok(<Line as clap::Parser>::try_parse_from(line)?.options)
    }

    #[test]
    fn an_empty_command_line_is_the_default() -> anyhow::Result<()> {
        let parsed = serde_json::to_value(parsed(&[])?)?;
        assert_eq!(parsed, serde_json::to_value(Options::default())?);
        Ok(())
    }

    #[test]
    fn the_full_run_needs_twenty_turns_a_phase_and_three_poisons() -> anyhow::Result<()> {
        let full = parsed(&["--cycles", "200", "--messages", "20000"])?.expanded();
        assert_eq!(
            (full.min_per_phase, full.poison, full.pauses),
            (Some(20), Some(3), Some(0))
        );
        let short = Options::default().expanded();
        assert_eq!(
            (short.min_per_phase, short.poison, short.messages),
            (Some(2), Some(1), Some(1200))
        );
        Ok(())
    }

    #[test]
    fn a_bug_run_has_no_poison_and_pauses_only_for_the_epoch() -> anyhow::Result<()> {
        let bug = parsed(&["--bug", "ack-before-commit"])?.expanded();
        assert_eq!((bug.poison, bug.pauses), (Some(0), Some(0)));
        let epoch = parsed(&["--bug", "commit-without-epoch", "--poison"])?.expanded();
        assert_eq!((epoch.poison, epoch.pauses), (Some(1), Some(4)));
        Ok(())
    }
}
