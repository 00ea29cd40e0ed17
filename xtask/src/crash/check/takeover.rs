//! How soon the turns of a replica that is gone are run by another one: from its
//! end to the first claim of each turn that it held.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Check, Violation};
use crate::crash::book::Departure;
use crate::crash::marks::{Mark, Phase};
use crate::crash::place::{CLAIM_EXPIRY_MS, HEARTBEAT_MS};

/// A claim's expiry, a heartbeat, and a second to notice it.
pub const LIMIT: Duration = Duration::from_millis(CLAIM_EXPIRY_MS + HEARTBEAT_MS + 1000);

#[derive(Debug, Default)]
pub struct Takeovers {
    pub times: Vec<Duration>,
    /// Late, but within the limit of another end in between: who took the turn
    /// over may have died before it could mark that.
    pub overlapped: u64,
    pub violations: Vec<Violation>,
}

/// The history in the order of time.
pub fn check(history: &[Mark], departures: &[Departure]) -> Takeovers {
    let mut claims: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for mark in history.iter().filter(|mark| mark.phase == Phase::Claimed) {
        let claims = claims.entry(&mark.subject).or_default();
        claims.push((mark.at, mark.by));
    }
    let mut takeovers = Takeovers::default();
    for departure in departures {
        for turn in &departure.turns {
            let by_others = claims.get(turn.as_str()).into_iter().flatten();
            let next = by_others
                .filter(|(_, by)| *by != departure.incarnation)
                .find(|(at, _)| *at > departure.at);
            // A turn that nobody claimed again had been committed at the last moment.
            if let Some((at, _)) = next {
                takeovers.add(turn, departure.at, *at, departures);
            }
        }
    }
    takeovers
}

impl Takeovers {
    fn add(&mut self, turn: &str, from: u64, to: u64, departures: &[Departure]) {
        let limit = u64::try_from(LIMIT.as_micros()).unwrap_or(u64::MAX);
        let last = departures
            .iter()
            .map(|departure| departure.at)
            .filter(|at| *at < to)
            .max();
        let took = Duration::from_micros(to - from);
        if to - from > limit && to - last.unwrap_or(from) <= limit {
            self.overlapped += 1;
            return;
        }
        self.times.push(took);
        if to - from > limit {
            let detail =
                format!("turn {turn} was taken over only after {took:?}, not within {LIMIT:?}");
            self.violations
                .push(Violation::new(Check::Takeover, detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::marks_by;
    use super::*;

    fn gone(incarnation: u64, at: u64, turns: &[&str]) -> Departure {
        Departure {
            incarnation,
            at,
            turns: turns.iter().map(|turn| (*turn).to_owned()).collect(),
        }
    }

    #[test]
    fn the_first_claim_by_another_one_counts() -> anyhow::Result<()> {
        let history = marks_by(&[
            (1, "t1 claimed 1000 e1"),
            (1, "t1 claimed 900000 e1"),
            (2, "t1 claimed 2002000 e1"),
            (3, "t1 claimed 9002000 e1"),
        ])?;
        let found = check(&history, &[gone(1, 2000, &["t1", "t2"])]);
        assert_eq!(found.times, [Duration::from_secs(2)]);
        assert!(found.violations.is_empty());
        Ok(())
    }

    #[test]
    fn a_late_takeover_is_caught() -> anyhow::Result<()> {
        let history = marks_by(&[(2, "t1 claimed 2900000 e1")])?;
        assert_eq!(check(&history, &[gone(1, 0, &["t1"])]).violations.len(), 1);
        let found = check(&history, &[gone(1, 0, &["t1"]), gone(3, 1_000_000, &[])]);
        assert_eq!((found.violations.len(), found.overlapped), (0, 1));
        Ok(())
    }
}
