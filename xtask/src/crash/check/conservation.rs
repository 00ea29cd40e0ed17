//! C: accepted = ended + open + purged, the number accepted is the number of
//! different messages sent, and each ended as it had to.

use super::{Check, Violation};
use crate::crash::operator::Accounting;
use crate::crash::oracle::truth::Truth;

/// The law that holds at any time.
pub fn balance(accounting: &Accounting) -> Vec<Violation> {
    let mut found = Vec::new();
    let (ended, open) = (accounting.all_ended(), accounting.still_open());
    if accounting.accepted != ended + open + accounting.purged {
        let detail = format!(
            "{} accepted, but {ended} ended, {open} open and {} purged",
            accounting.accepted, accounting.purged
        );
        found.push(Violation::new(Check::Conservation, detail));
    }
    if !accounting.balanced {
        found.push(Violation::new(
            Check::Conservation,
            "the server says that it is not balanced",
        ));
    }
    found
}

/// The law after the drain, against what the oracle knows.
pub fn check(accounting: &Accounting, truth: &Truth) -> Vec<Violation> {
    let mut found = balance(accounting);
    let mut wrong = |detail: String| found.push(Violation::new(Check::Conservation, detail));

    let (sent, poisons) = (truth.acknowledged(), truth.poisons());
    if accounting.accepted != sent {
        wrong(format!(
            "{} accepted, but {sent} different messages were acknowledged",
            accounting.accepted
        ));
    }
    for (state, count) in accounting.open.iter().filter(|(_, count)| **count > 0) {
        wrong(format!("{count} are still open: {state}"));
    }
    let ended = |state: &str| accounting.ended.get(state).copied().unwrap_or(0);
    if ended("dead") != poisons {
        wrong(format!(
            "{} dead, but {poisons} took the process down",
            ended("dead")
        ));
    }
    if ended("answered") != sent - poisons {
        wrong(format!(
            "{} answered, but {} were to be",
            ended("answered"),
            sent - poisons
        ));
    }
    for (state, count) in accounting.ended.iter().filter(|(_, count)| **count > 0) {
        if !matches!(state.as_str(), "dead" | "answered") {
            wrong(format!(
                "{count} ended as {state}, which nothing in this run asks for"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::planted::{details, key, truth};
    use super::*;

    fn states(states: &[(&str, u64)]) -> BTreeMap<String, u64> {
        states
            .iter()
            .map(|(state, count)| ((*state).to_owned(), *count))
            .collect()
    }

    fn found(
        accepted: u64,
        open: &[(&str, u64)],
        ended: &[(&str, u64)],
        balanced: bool,
    ) -> Vec<String> {
        let mut truth = truth("c1", 10);
        truth
            .sent
            .entry(key("c1", 4))
            .and_modify(|sent| sent.poison = true);
        let accounting = Accounting {
            accepted,
            open: states(open),
            ended: states(ended),
            purged: 0,
            deliveries: BTreeMap::new(),
            balanced,
        };
        details(&check(&accounting, &truth))
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_balanced_book_passes() {
        assert!(
            found(
                10,
                &[("queued", 0)],
                &[("answered", 9), ("dead", 1), ("refused", 0)],
                true
            )
            .is_empty()
        );
    }

    #[test]
    fn a_vanished_message_is_caught() {
        let found = found(9, &[], &[("answered", 8), ("dead", 1)], true);
        assert_eq!(
            found,
            [
                "9 accepted, but 10 different messages were acknowledged",
                "8 answered, but 9 were to be"
            ]
        );
    }

    #[test]
    fn an_unbalanced_book_is_caught_whatever_the_server_says() {
        assert_eq!(
            found(10, &[], &[("answered", 8), ("dead", 1)], true)[0],
            "10 accepted, but 9 ended, 0 open and 0 purged"
        );
        assert_eq!(
            found(10, &[], &[("answered", 9), ("dead", 1)], false),
            ["the server says that it is not balanced"]
        );
    }

    #[test]
    fn an_innocent_death_is_caught() {
        assert_eq!(
            found(10, &[], &[("answered", 8), ("dead", 2)], true)[0],
            "2 dead, but 1 took the process down"
        );
    }

    #[test]
    fn what_is_left_over_or_ends_oddly_is_caught() {
        assert_eq!(
            found(10, &[("claimed", 1)], &[("answered", 8), ("dead", 1)], true)[0],
            "1 are still open: claimed"
        );
        let refused = found(
            10,
            &[],
            &[("answered", 8), ("dead", 1), ("refused", 1)],
            true,
        );
        assert!(
            refused.contains(&"1 ended as refused, which nothing in this run asks for".to_owned())
        );
    }
}
