//! The book of deaths: how many turns died in which phase, which of them died
//! alone, and what every incarnation marked.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;

use super::marks::{Mark, Phase, UnderWay};

/// A turn that took the process down this often while alone is close to being
/// quarantined, which a killer from outside must not bring about.
const ALONE: u32 = 2;

#[derive(Debug, Default)]
pub struct Tally {
    died: BTreeMap<Phase, u64>,
    alone: BTreeMap<String, u32>,
    /// The latest claim of each turn: when, and by which incarnation.
    claims: BTreeMap<String, (u64, u64)>,
    /// Every event that some replica claimed.
    taken: BTreeSet<String>,
    /// Every mark of every incarnation, in order.
    pub history: Vec<Mark>,
}

impl Tally {
    /// Takes note of claims, by whichever replica. May see a mark twice.
    pub fn saw(&mut self, marks: &[Mark]) {
        for mark in marks.iter().filter(|mark| mark.phase == Phase::Claimed) {
            let latest = self.claims.entry(mark.subject.clone()).or_default();
            *latest = (*latest).max((mark.at, mark.by));
            self.taken.extend(mark.events.iter().cloned());
        }
    }

    /// Notes an incarnation that was killed; returns the turns that died with it.
    /// What another replica has taken over meanwhile did not.
    pub fn killed(&mut self, marks: Vec<Mark>) -> Vec<String> {
        let under_way = self.ended(marks);
        for phase in Phase::OPEN {
            *self.died.entry(phase).or_default() += under_way.count(phase);
        }
        if let Some(turn) = under_way.alone() {
            *self.alone.entry(turn.to_owned()).or_default() += 1;
        }
        under_way.turns.into_keys().collect()
    }

    /// Keeps the marks of an incarnation that ended in another way.
    pub fn ended(&mut self, marks: Vec<Mark>) -> UnderWay {
        self.saw(&marks);
        let mut under_way = UnderWay::default();
        marks.iter().for_each(|mark| under_way.apply(mark));
        if let Some(by) = marks.first().map(|mark| mark.by) {
            self.own(&mut under_way, by);
        }
        self.history.extend(marks);
        under_way
    }

    /// Leaves only what no other incarnation has claimed since.
    pub fn own(&self, under_way: &mut UnderWay, by: u64) {
        let own = |turn: &String| {
            let latest = self.claims.get(turn);
            latest.is_none_or(|(_, claimed_by)| *claimed_by == by)
        };
        under_way.turns.retain(|turn, _| own(turn));
        under_way
            .accepted
            .retain(|event| !self.taken.contains(event));
    }

    /// Whether a kill now would hit a lone turn once too often.
    pub fn spares(&self, under_way: &UnderWay) -> bool {
        let deaths = under_way.alone().and_then(|turn| self.alone.get(turn));
        deaths.is_some_and(|deaths| *deaths >= ALONE)
    }

    pub fn died(&self, phase: Phase) -> u64 {
        self.died.get(&phase).copied().unwrap_or(0)
    }

    /// The phases that were hit too seldom.
    pub fn short_of(&self, enough: u64) -> Vec<Phase> {
        Phase::OPEN
            .into_iter()
            .filter(|phase| self.died(*phase) < enough)
            .collect()
    }

    /// A phase to kill in, the rarely hit ones more often.
    pub fn pick(&self, dice: &mut impl Rng) -> Phase {
        let most = Phase::OPEN
            .map(|phase| self.died(phase))
            .into_iter()
            .max()
            .unwrap_or(0);
        let weight = |phase| 1 + most - self.died(phase);
        let mut left = dice.random_range(0..Phase::OPEN.into_iter().map(weight).sum());
        for phase in Phase::OPEN {
            if left < weight(phase) {
                return phase;
            }
            left -= weight(phase);
        }
        Phase::Committing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::words::dice;

    fn marks(lines: &[&str]) -> anyhow::Result<Vec<Mark>> {
        lines.iter().map(|line| Mark::parse(line)).collect()
    }

    fn under_way(lines: &[&str]) -> anyhow::Result<UnderWay> {
        Ok(Tally::default().ended(marks(lines)?))
    }

    #[test]
    fn deaths_add_up_over_incarnations() -> anyhow::Result<()> {
        let mut tally = Tally::default();
        tally.killed(marks(&["e1 accepted 1", "t1 model 2", "t2 model 2"])?);
        tally.killed(marks(&["t1 recorded 3"])?);
        assert_eq!(Phase::OPEN.map(|phase| tally.died(phase)), [1, 0, 2, 1, 0]);
        assert_eq!(tally.short_of(1), [Phase::Claimed, Phase::Committing]);
        assert_eq!(tally.history.len(), 4);
        Ok(())
    }

    #[test]
    fn a_turn_killed_alone_twice_is_spared_while_alone() -> anyhow::Result<()> {
        let mut tally = Tally::default();
        let alone = under_way(&["t1 model 2"])?;
        tally.killed(marks(&["t1 claimed 1 e1"])?);
        assert!(!tally.spares(&alone));
        tally.killed(marks(&["t1 claimed 1 e1", "e2 accepted 1"])?);
        assert!(tally.spares(&alone));
        assert!(!tally.spares(&under_way(&["t1 model 2", "t2 model 2"])?));
        assert!(!tally.spares(&under_way(&["t2 model 2"])?));
        Ok(())
    }

    #[test]
    fn what_another_replica_took_over_did_not_die() -> anyhow::Result<()> {
        let by = |by, lines: &[&str]| -> anyhow::Result<Vec<Mark>> {
            let marks = marks(lines)?.into_iter();
            Ok(marks.map(|mark| Mark { by, ..mark }).collect())
        };
        let mut tally = Tally::default();
        tally.saw(&by(2, &["t1 claimed 9 e1", "t3 claimed 9 e4"])?);
        let died = tally.killed(by(
            1,
            &[
                "e4 accepted 1",
                "e5 accepted 1",
                "t1 claimed 2 e1",
                "t2 claimed 2 e2",
            ],
        )?);
        assert_eq!(died, ["t2"]);
        assert_eq!(Phase::OPEN.map(|phase| tally.died(phase)), [1, 1, 0, 0, 0]);
        Ok(())
    }

    #[test]
    fn deaths_in_company_do_not_count_as_alone() -> anyhow::Result<()> {
        let mut tally = Tally::default();
        for _ in 0..5 {
            tally.killed(marks(&["t1 model 1", "t2 model 1"])?);
        }
        assert!(!tally.spares(&under_way(&["t1 model 2"])?));
        Ok(())
    }

    #[test]
    fn rare_phases_are_picked_more_often() -> anyhow::Result<()> {
        let mut tally = Tally::default();
        for _ in 0..50 {
            tally.killed(marks(&[
                "t1 model 1",
                "t2 claimed 1 e",
                "t3 recorded 1",
                "e1 accepted 1",
            ])?);
        }
        let mut dice = dice(1, "pick");
        let picked = (0..100)
            .filter(|_| tally.pick(&mut dice) == Phase::Committing)
            .count();
        assert!(picked > 60, "{picked}");
        Ok(())
    }
}
