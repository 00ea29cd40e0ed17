//! F: a run that another replica has taken over commits nothing. Seen in the
//! marks: who commits a turn was the last to claim it.

use std::collections::BTreeMap;

use super::{Check, Violation};
use crate::crash::book::Book;
use crate::crash::marks::{Mark, Phase, went_on};

/// A process that was stopped between a claim and its mark writes the mark after
/// it woke up, in microseconds at the most so late.
const LATE: u64 = 500_000;

/// The history in the order of time.
pub fn check(history: &[Mark], book: &Book) -> Vec<Violation> {
    let mut claimed_by: BTreeMap<&str, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, mark) in history.iter().enumerate() {
        let turn = mark.subject.as_str();
        match mark.phase {
            Phase::Claimed if !went_on(mark, &history[index + 1..]) => {}
            // It may be older than its mark says: whose the turn is nobody knows.
            Phase::Claimed if belated(mark, book) => drop(claimed_by.remove(turn)),
            Phase::Claimed => drop(claimed_by.insert(turn, mark.by)),
            Phase::Committed => {
                let owner = claimed_by.get(turn).copied().unwrap_or(mark.by);
                if owner != mark.by {
                    let detail = format!(
                        "turn {turn} was committed by run {} after run {owner} had claimed it",
                        mark.by
                    );
                    found.push(Violation::new(Check::Fence, detail));
                }
            }
            _ => {}
        }
    }
    found
}

fn belated(claim: &Mark, book: &Book) -> bool {
    let woken = book.pauses.iter().any(|pause| {
        pause.incarnation == claim.by && (pause.to..pause.to + LATE).contains(&claim.at)
    });
    let outage = book.outages.iter().any(|outage| {
        let back = outage.back.values().max().copied().unwrap_or(outage.to);
        outage.incarnations.contains(&claim.by) && (outage.since..back + LATE).contains(&claim.at)
    });
    woken || outage
}

#[cfg(test)]
mod tests {
    use super::super::planted::{details, marks_by};
    use super::*;
    use crate::crash::book::Pause;

    #[test]
    fn who_claimed_last_may_commit() -> anyhow::Result<()> {
        let history = marks_by(&[
            (1, "t1 claimed 1 e1"),
            (2, "t1 claimed 5 e1"),
            (1, "t1 committing 6"),
            (2, "t1 committing 7"),
            (2, "t1 committed 7"),
            (3, "t2 committed 8"),
        ])?;
        assert!(check(&history, &Book::default()).is_empty());
        Ok(())
    }

    #[test]
    fn a_stale_commit_is_caught() -> anyhow::Result<()> {
        let history = marks_by(&[
            (1, "t1 claimed 1 e1"),
            (2, "t1 claimed 5 e1"),
            (2, "t1 model 5"),
            (1, "t1 committed 6"),
            (2, "t1 committing 7"),
        ])?;
        assert_eq!(
            details(&check(&history, &Book::default())),
            ["turn t1 was committed by run 1 after run 2 had claimed it"]
        );
        Ok(())
    }

    #[test]
    fn a_claim_that_came_to_nothing_accuses_nobody() -> anyhow::Result<()> {
        let history = marks_by(&[
            (1, "t1 claimed 1 e1"),
            (2, "t1 claimed 5 e1"),
            (2, "t1 model 5"),
            (1, "t1 committing 6"),
            (1, "t1 committed 6"),
        ])?;
        assert!(check(&history, &Book::default()).is_empty());
        Ok(())
    }

    #[test]
    fn a_mark_that_was_written_late_accuses_nobody() -> anyhow::Result<()> {
        let history = marks_by(&[
            (2, "t1 claimed 1000005 e1"),
            (2, "t1 committing 1000006"),
            (1, "t1 claimed 1000007 e1"),
            (2, "t1 committed 1000008"),
            (1, "t1 committing 1000009"),
        ])?;
        assert_eq!(check(&history, &Book::default()).len(), 1);
        let pause = Pause {
            replica: 0,
            incarnation: 1,
            from: 1,
            to: 1_000_006,
            turns: Vec::new(),
        };
        let book = Book {
            pauses: vec![pause],
            ..Book::default()
        };
        assert!(check(&history, &book).is_empty());
        Ok(())
    }
}
