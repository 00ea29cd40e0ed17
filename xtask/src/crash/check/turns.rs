//! Each turn speaks for itself: its reply names as many messages as it took,
//! and every message that was taken belongs to one turn that spoke.
//!
//! Coverage alone would miss a reply that was lost in mid-conversation: the
//! model then finds the unanswered message in the history and answers it with
//! the next one. The marks tell what each turn really took.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Violation};
use crate::crash::marks::{Mark, Phase};
use crate::crash::replies::Replies;

/// `poisons` messages were taken and may stay without an answer. Nothing is
/// returned when the marks do not name what was taken.
pub fn check(history: &[Mark], replies: &Replies, poisons: u64) -> Option<Vec<Violation>> {
    let mut found = Vec::new();
    let taken = taken(history, &mut found);
    if taken.is_empty() {
        return None;
    }
    let mut answered: BTreeMap<&str, &str> = BTreeMap::new();
    let spoken = replies.values().flatten();
    for reply in spoken.filter(|reply| !reply.tokens.is_empty()) {
        let turn = reply.turn.as_deref().unwrap_or_default();
        let Some(events) = taken.get(turn) else {
            found.push(format!(
                "turn {turn} spoke, and was never marked as claimed"
            ));
            continue;
        };
        let named = reply.tokens.len();
        if named != events.len() {
            let took = events.len();
            found.push(format!(
                "turn {turn} took {took} messages and speaks of {named}"
            ));
        }
        for event in events.iter() {
            if let Some(other) = answered.insert(event, turn) {
                found.push(format!(
                    "event {event} was answered by turn {other} and by turn {turn}"
                ));
            }
        }
    }
    let silent = silent(&taken, &answered);
    if silent.len() as u64 != poisons {
        let shown: Vec<_> = silent.iter().take(5).collect();
        found.push(format!(
            "{} messages were taken and no turn of theirs spoke, but {poisons} are poison: {shown:?}",
            silent.len()
        ));
    }
    let violations = found
        .into_iter()
        .map(|detail| Violation::new(Check::Turns, detail));
    Some(violations.collect())
}

/// What each turn took. A turn that runs again takes exactly the same.
fn taken<'a>(history: &'a [Mark], found: &mut Vec<String>) -> BTreeMap<&'a str, &'a [String]> {
    let mut taken: BTreeMap<&str, &[String]> = BTreeMap::new();
    let claims = history.iter().filter(|mark| mark.phase == Phase::Claimed);
    for claim in claims.filter(|claim| !claim.events.is_empty()) {
        let turn = claim.subject.as_str();
        let before = taken.insert(turn, &claim.events);
        if before.is_some_and(|before| before != claim.events) {
            found.push(format!("turn {turn} took other messages when it ran again"));
        }
    }
    taken
}

fn silent<'a>(
    taken: &BTreeMap<&str, &'a [String]>,
    answered: &BTreeMap<&str, &str>,
) -> BTreeSet<&'a str> {
    let events = taken.values().flat_map(|events| events.iter());
    events
        .map(String::as_str)
        .filter(|event| !answered.contains_key(event))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::planted::{details, replies};
    use super::*;

    /// Turns t0, t1, … speak these texts, after these claims.
    fn found(claims: &[&str], texts: &[&str], poisons: u64) -> anyhow::Result<Vec<String>> {
        let history = claims
            .iter()
            .map(|line| Mark::parse(line))
            .collect::<Result<Vec<_>, _>>()?;
        let found = check(&history, &replies("c1", texts), poisons).unwrap_or_default();
        Ok(details(&found).into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn turns_that_speak_of_what_they_took_pass() -> anyhow::Result<()> {
        let claims = [
            "t0 claimed 1 e1,e2",
            "t0 claimed 2 e1,e2",
            "t1 claimed 3 e3",
            "p claimed 4 e4",
        ];
        assert!(found(&claims, &["saw <<c1:1>> <<c1:2>>", "saw <<c1:3>>"], 1)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_lost_reply_is_caught_though_the_next_one_covers_it() -> anyhow::Result<()> {
        let claims = ["lost claimed 1 e1", "t0 claimed 3 e2"];
        let found = found(&claims, &["saw <<c1:1>> <<c1:2>>"], 0)?;
        assert_eq!(found[0], "turn t0 took 1 messages and speaks of 2");
        assert_eq!(
            found[1],
            "1 messages were taken and no turn of theirs spoke, but 0 are poison: [\"e1\"]"
        );
        Ok(())
    }

    #[test]
    fn an_event_of_two_turns_is_caught() -> anyhow::Result<()> {
        let claims = ["t0 claimed 1 e1", "t1 claimed 2 e1"];
        let found = found(&claims, &["saw <<c1:1>>", "saw <<c1:1>>"], 0)?;
        assert_eq!(found, ["event e1 was answered by turn t0 and by turn t1"]);
        Ok(())
    }

    #[test]
    fn another_range_in_the_second_run_is_caught() -> anyhow::Result<()> {
        let claims = ["t0 claimed 1 e1", "t0 claimed 2 e1,e2"];
        let found = found(&claims, &["saw <<c1:1>> <<c1:2>>"], 0)?;
        assert_eq!(found, ["turn t0 took other messages when it ran again"]);
        Ok(())
    }

    #[test]
    fn a_poison_that_was_answered_is_caught() -> anyhow::Result<()> {
        let found = found(&["t0 claimed 1 e1"], &["saw <<c1:1>>"], 1)?;
        assert_eq!(found.len(), 1);
        Ok(())
    }

    #[test]
    fn messages_split_from_a_dead_claim_are_answered_by_their_own_turns() -> anyhow::Result<()> {
        let claims = [
            "whole claimed 1 e1,e2",
            "t0 claimed 2 e1",
            "alone claimed 3 e2",
        ];
        assert!(found(&claims, &["saw <<c1:1>>"], 1)?.is_empty());
        Ok(())
    }

    #[test]
    fn marks_without_events_say_nothing() -> anyhow::Result<()> {
        let history = vec![Mark::parse("t0 claimed 1")?];
        assert_eq!(check(&history, &replies("c1", &["saw <<c1:1>>"]), 0), None);
        Ok(())
    }
}
