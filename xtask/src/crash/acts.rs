//! What is done to the replicas, act by act, and how long each act is about.

use std::time::Duration;

use rand::seq::SliceRandom as _;

use super::options::Options;
use super::words::dice;

/// Behind so many ends in order comes one of a process that is told twice.
const PATIENT: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL of one replica.
    Kill,
    /// SIGSTOP of one replica until its claims are somebody else's, twice.
    Pause,
    /// The store goes down at once, and comes back.
    Restart,
    /// Some replicas do not reach the store for a while.
    Cut,
    /// One replica is asked to end.
    Terminate,
    /// The same by somebody who is impatient and asks again.
    TerminateTwice,
}

impl Act {
    /// How long it is about, so that messages can be spread over it.
    pub fn time(self, longest_cut: u32) -> Duration {
        match self {
            Self::Kill => Duration::from_millis(900),
            Self::Pause => Duration::from_millis(9000),
            Self::Restart => Duration::from_millis(6000),
            Self::Cut => Duration::from_millis(6000 + 500 * u64::from(longest_cut)),
            Self::Terminate | Self::TerminateTwice => Duration::from_millis(1500),
        }
    }

    /// Messages that keep all conversations talking for that long.
    pub fn messages(self) -> u32 {
        match self {
            Self::Kill => 100,
            Self::Pause | Self::Restart => 300,
            Self::Cut => 400,
            // All day long: a signal finds many turns at work.
            Self::Terminate | Self::TerminateTwice => 600,
        }
    }
}

/// The acts of a run. Kills are a run of their own on SQLite, where a pause is
/// part of a cycle; elsewhere pauses, restarts and cuts are mixed by the seed.
pub fn acts(options: &Options) -> Vec<Act> {
    let some = |act, count: Option<u32>| vec![act; count.unwrap_or(0) as usize];
    let mut acts = vec![Act::Kill; options.cycles as usize];
    for number in 1..=options.terminations.unwrap_or(0) {
        acts.push(Act::Terminate);
        if number % PATIENT == 0 {
            acts.push(Act::TerminateTwice);
        }
    }
    if options.on_postgres() {
        acts.extend(some(Act::Pause, options.pauses));
        acts.extend(some(Act::Restart, options.restarts));
        acts.extend(some(Act::Cut, options.partitions));
        acts.shuffle(&mut dice(options.seed, "acts"));
    }
    acts
}

/// The mean length of an act.
pub fn mean(acts: &[Act], longest_cut: u32) -> Duration {
    let all: Duration = acts.iter().map(|act| act.time(longest_cut)).sum();
    all / u32::try_from(acts.len().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::options::Store;

    #[test]
    fn a_pause_on_sqlite_is_part_of_a_kill_cycle() {
        let options = Options {
            cycles: 3,
            pauses: Some(2),
            ..Options::default()
        };
        assert_eq!(acts(&options), [Act::Kill; 3]);
    }

    #[test]
    fn the_impatient_come_on_top_of_the_ends_that_were_asked_for() {
        let options = Options {
            terminations: Some(50),
            ..Options::default()
        };
        let acts = acts(&options.expanded());
        let count = |wanted| acts.iter().filter(|act| **act == wanted).count();
        assert_eq!(
            (count(Act::Terminate), count(Act::TerminateTwice)),
            (50, 10)
        );
    }

    #[test]
    fn other_faults_are_acts_of_their_own() {
        let options = Options {
            store: Store::Postgres,
            pauses: Some(2),
            restarts: Some(1),
            ..Options::default()
        };
        let acts = acts(&options.expanded());
        assert_eq!(acts.len(), 3);
        assert_eq!(acts.iter().filter(|act| **act == Act::Pause).count(), 2);
        assert_eq!(mean(&acts, 30), Duration::from_secs(8));
    }
}
