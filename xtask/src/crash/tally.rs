//! The book of deaths: how many turns died in which phase, which of them died
//! alone, and what every incarnation marked.

use std::collections::BTreeMap;

use rand::Rng;

use super::marks::{Mark, Phase, UnderWay};

/// A turn that took the process down this often while alone is close to being
/// quarantined, which a killer from outside must not bring about.
const ALONE: u32 = 2;

#[derive(Debug, Default)]
pub struct Tally {
    died: BTreeMap<Phase, u64>,
    alone: BTreeMap<String, u32>,
    /// Every mark of every incarnation, in order.
    pub history: Vec<Mark>,
}

impl Tally {
    /// Notes an incarnation that was killed.
    pub fn killed(&mut self, marks: Vec<Mark>) {
        let under_way = self.ended(marks);
        for phase in Phase::OPEN {
            *self.died.entry(phase).or_default() += under_way.count(phase);
        }
        if let Some(turn) = under_way.alone() {
            *self.alone.entry(turn.to_owned()).or_default() += 1;
        }
    }

    /// Keeps the marks of an incarnation that ended in another way.
    pub fn ended(&mut self, marks: Vec<Mark>) -> UnderWay {
        let mut under_way = UnderWay::default();
        marks.iter().for_each(|mark| under_way.apply(mark));
        self.history.extend(marks);
        under_way
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
