//! What one run is asked to do, and the scaled defaults.

use std::path::PathBuf;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::acts::{Act, acts};
use super::sink::Sink;
use super::soak::Soak;

/// Cycles from which a run counts as a full one.
const FULL: u32 = 100;

/// What the replicas share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// A file, and one process on it
    #[default]
    Sqlite,
    /// A throw-away server from the installed binaries
    Postgres,
}

/// Where people write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The web chat, whose commit is its delivery
    #[default]
    WebChat,
    /// Two numbers of WhatsApp, at a simulator of Meta that misbehaves
    WhatsappCloud,
}

/// Kill `zupa serve` again and again, and prove that nothing was lost or doubled.
///
/// `cargo xtask crash` is the short run of CI; the full one is
/// `cargo xtask crash --cycles 200 --messages 20000 --seed S`, and the same with
/// `--store postgres --replicas 3`. There, `--pauses`, `--restarts` and
/// `--partitions` do their harm instead of the kills.
#[derive(Debug, Clone, Serialize, clap::Args)]
pub struct Options {
    /// The store under test
    #[arg(long, value_enum, default_value_t)]
    pub store: Store,
    /// Processes on one store [default: 1; on Postgres 3, with --partitions 2]
    #[arg(long, value_name = "COUNT")]
    pub replicas: Option<u32>,
    /// Kill cycles; none on Postgres with one of the other faults
    #[arg(long, default_value_t = 12)]
    pub cycles: u32,
    /// Seed of every decision the harness takes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Messages to send [default: 100 a kill, 300 to 400 another fault; 10,000 with --recovery, 1,000 with --in-flight]
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
    /// Kill the burger shop of the examples instead of the server: tools, a confirmation
    /// and side messages, on SQLite
    #[arg(long)]
    pub shop: bool,
    /// Measure the recovery with many accepted messages instead of the kill loop
    #[arg(long)]
    pub recovery: bool,
    /// With --recovery: every message is a turn that waits for the model when the kill
    /// comes. Prints when all of them run again; no time is too long
    #[arg(long, requires = "recovery")]
    pub in_flight: bool,
    /// Messages that abort the process by themselves [default: 1; 3 in a full run; 0 with --bug]
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "1")]
    pub poison: Option<u32>,
    /// Times a process is stopped for longer than its claims live [default: 0; 4 with --bug commit-without-epoch]
    #[arg(long, value_name = "COUNT")]
    pub pauses: Option<u32>,
    /// Times the server of the store is stopped at once and started again, with
    /// backends terminated in between [default: 0]
    #[arg(long, value_name = "COUNT")]
    pub restarts: Option<u32>,
    /// Times replicas in network namespaces are cut off from the store [default: 0]
    #[arg(long, value_name = "COUNT")]
    pub partitions: Option<u32>,
    /// The longest of these cuts; the shortest takes a second
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub longest_cut: u32,
    /// Times a process is asked to end by SIGTERM under load, instead of the kills; behind
    /// every fifth of them one is told twice, which is not counted here [default: 0]
    #[arg(long, value_name = "COUNT")]
    pub terminations: Option<u32>,
    /// Where people write; `cargo xtask crash --channel whatsapp-cloud --cycles 200` is the full run
    #[arg(long, value_enum, default_value_t)]
    pub channel: Channel,
    /// Let the doors send to a platform that drops repeats by key, or never
    #[arg(long, value_enum)]
    pub sink: Option<Sink>,
    /// Turns that must have died in each phase [default: 20 in 200 cycles]
    #[arg(long, value_name = "COUNT")]
    pub min_per_phase: Option<u32>,
    /// Keep the data directory
    #[arg(long)]
    pub keep: bool,
    /// Print a machine-readable report
    #[arg(long)]
    pub json: bool,
    /// What `cargo xtask soak` asks for.
    #[arg(skip)]
    pub soak: Option<Soak>,
    /// Run as the oracle of another run, with its brief
    #[arg(long, hide = true, value_name = "BRIEF")]
    #[serde(skip)]
    pub oracle: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            store: Store::Sqlite,
            replicas: None,
            cycles: 12,
            seed: 1,
            messages: None,
            conversations: None,
            binary: None,
            release: false,
            bug: None,
            expect_caught: false,
            shop: false,
            recovery: false,
            in_flight: false,
            poison: None,
            pauses: None,
            restarts: None,
            partitions: None,
            longest_cut: 30,
            terminations: None,
            channel: Channel::WebChat,
            sink: None,
            min_per_phase: None,
            keep: false,
            json: false,
            soak: None,
            oracle: None,
        }
    }
}

impl Options {
    pub fn on_postgres(&self) -> bool {
        self.store == Store::Postgres
    }

    pub fn on_whatsapp(&self) -> bool {
        self.channel == Channel::WhatsappCloud
    }

    pub fn replicas(&self) -> usize {
        self.replicas.unwrap_or(1).max(1) as usize
    }

    /// What is asked for must make sense together.
    pub fn check(&self) -> anyhow::Result<()> {
        let wanted = |count: Option<u32>| count.unwrap_or(0) > 0;
        if !self.on_postgres() {
            ensure!(
                self.replicas() == 1 && !wanted(self.restarts) && !wanted(self.partitions),
                "one process holds an SQLite file: --replicas, --restarts and --partitions need --store postgres"
            );
        }
        ensure!(
            !self.shop || !self.on_postgres(),
            "the burger shop is on SQLite: leave --store out"
        );
        ensure!(
            !self.on_whatsapp() || !(self.on_postgres() || self.recovery || self.sink.is_some()),
            "--channel whatsapp-cloud kills one process on SQLite: leave --store, --recovery and --sink out"
        );
        ensure!(
            !self.recovery || self.replicas() == 1,
            "--recovery is about one process: try --replicas 1"
        );
        ensure!(
            !self.recovery || self.sink.is_none(),
            "--recovery sends nothing: leave --sink out"
        );
        ensure!(
            !self.in_flight || self.messages == self.conversations,
            "--in-flight has one message a conversation: try --messages and --conversations alike"
        );
        Ok(())
    }

    /// The same options with every default spelled out, as the report prints them.
    pub fn expanded(mut self) -> Self {
        // A stale epoch needs a claim that expires under a living process.
        let pauses = if self.bug.as_deref() == Some("commit-without-epoch") {
            4
        } else {
            0
        };
        self.pauses.get_or_insert(pauses);
        let terminations = *self.terminations.get_or_insert(0);
        let restarts = *self.restarts.get_or_insert(0);
        let partitions = *self.partitions.get_or_insert(0);
        let replicas = match self.store {
            Store::Sqlite => 1,
            Store::Postgres if self.recovery => 1,
            Store::Postgres if partitions > 0 => 2,
            Store::Postgres => 3,
        };
        let replicas = *self.replicas.get_or_insert(replicas);
        let other_faults = self.pauses.unwrap_or(0) + restarts + partitions;
        if terminations > 0 || self.soak.is_some() || self.on_postgres() && other_faults > 0 {
            self.cycles = 0;
        }

        let (messages, conversations) = if let Some(soak) = &self.soak {
            (soak.messages(), soak.people)
        } else if self.in_flight {
            (1_000, 1_000)
        } else if self.recovery {
            (10_000, 1_000)
        } else {
            let messages: u32 = acts(&self).into_iter().map(Act::messages).sum();
            match terminations {
                // After so many answers at once to one person there are none for six
                // seconds each: three are soon over.
                0 if self.on_whatsapp() => (messages / 4, messages / 12),
                0 => (messages, 50),
                // Each of the replicas has to be under full load.
                _ => (messages * replicas, 100 * replicas),
            }
        };
        let poison = match (&self.bug, self.recovery) {
            (Some(_), _) | (_, true) => 0,
            _ if self.on_whatsapp() => 0,
            _ if self.cycles >= FULL => 3,
            _ => self.cycles.min(1),
        };
        let per_phase = self.cycles.div_ceil(10).min(20);

        self.messages.get_or_insert(messages);
        self.conversations.get_or_insert(conversations);
        self.poison.get_or_insert(poison);
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
    fn a_run_of_terminations_kills_nobody() -> anyhow::Result<()> {
        let run = parsed(&["--terminations", "50"])?.expanded();
        assert_eq!((run.cycles, run.poison), (0, Some(0)));
        assert_eq!((run.messages, run.min_per_phase), (Some(36_000), Some(0)));
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

    #[test]
    fn people_with_phones_are_answered_within_the_rates() -> anyhow::Result<()> {
        let phones = ["--channel", "whatsapp-cloud", "--cycles", "200"];
        let full = parsed(&phones)?.expanded();
        assert_eq!(
            (full.messages, full.conversations),
            (Some(5_000), Some(1_666))
        );
        assert_eq!((full.min_per_phase, full.poison), (Some(20), Some(0)));
        assert!(full.check().is_ok());
        for odd in ["--recovery", "--store=postgres", "--sink=never"] {
            let odd = parsed(&[&phones[..], &[odd]].concat())?;
            assert!(odd.expanded().check().is_err());
        }
        Ok(())
    }

    #[test]
    fn on_postgres_another_fault_takes_the_place_of_the_kills() -> anyhow::Result<()> {
        let kills = parsed(&["--store", "postgres"])?.expanded();
        assert_eq!(
            (kills.replicas, kills.cycles, kills.messages),
            (Some(3), 12, Some(1200))
        );
        let cuts = parsed(&["--store", "postgres", "--partitions", "2"])?.expanded();
        assert_eq!(
            (cuts.replicas, cuts.cycles, cuts.poison, cuts.min_per_phase),
            (Some(2), 0, Some(0), Some(0))
        );
        let bug = parsed(&["--store", "postgres", "--bug", "commit-without-epoch"])?.expanded();
        assert_eq!((bug.pauses, bug.cycles), (Some(4), 0));
        Ok(())
    }

    #[test]
    fn one_file_has_one_process() -> anyhow::Result<()> {
        for odd in [
            ["--replicas", "2"],
            ["--restarts", "1"],
            ["--partitions", "1"],
        ] {
            assert!(parsed(&odd)?.expanded().check().is_err(), "{odd:?}");
        }
        assert!(Options::default().expanded().check().is_ok());
        Ok(())
    }
}
