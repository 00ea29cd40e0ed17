//! Whether the run was worth anything: kills in every phase, and enough
//! messages sent again. Otherwise it tested idle time.

use super::{Check, Violation};
use crate::crash::oracle::truth::Truth;
use crate::crash::tally::Tally;

/// Of the acknowledged messages, in percent.
const REDELIVERED: u64 = 30;

pub fn phases(tally: &Tally, enough: u64) -> Vec<Violation> {
    let short = tally.short_of(enough).into_iter();
    short
        .map(|phase| {
            format!(
                "only {} turns died in phase {}, not {enough}",
                tally.died(phase),
                phase.name()
            )
        })
        .map(|detail| Violation::new(Check::Phases, detail))
        .collect()
}

pub fn redelivery(truth: &Truth) -> Vec<Violation> {
    let (again, all) = (truth.redelivered(), truth.acknowledged());
    if again * 100 >= all * REDELIVERED && all > 0 {
        return Vec::new();
    }
    vec![Violation::new(
        Check::Redelivery,
        format!("only {again} of {all} messages were sent again"),
    )]
}

#[cfg(test)]
mod tests {
    use super::super::planted::{details, key, truth};
    use super::*;
    use crate::crash::marks::Mark;

    #[test]
    fn a_phase_without_deaths_is_caught() -> anyhow::Result<()> {
        let mut tally = Tally::default();
        let lines = [
            "e1 accepted 1",
            "t1 claimed 1 e",
            "t2 model 1",
            "t3 recorded 1",
        ];
        tally.killed(
            lines
                .iter()
                .map(|line| Mark::parse(line))
                .collect::<anyhow::Result<_>>()?,
        );
        assert_eq!(
            details(&phases(&tally, 1)),
            ["only 0 turns died in phase committing, not 1"]
        );
        tally.killed(vec![Mark::parse("t4 committing 1")?]);
        assert!(phases(&tally, 1).is_empty());
        Ok(())
    }

    #[test]
    fn too_few_repetitions_are_caught() {
        let mut truth = truth("c1", 10);
        for seq in 1..=2 {
            truth
                .sent
                .entry(key("c1", seq))
                .and_modify(|sent| sent.again = 5);
        }
        assert_eq!(
            details(&redelivery(&truth)),
            ["only 2 of 10 messages were sent again"]
        );
        truth
            .sent
            .entry(key("c1", 3))
            .and_modify(|sent| sent.again = 1);
        assert!(redelivery(&truth).is_empty());
        assert_eq!(redelivery(&Truth::default()).len(), 1);
    }
}
