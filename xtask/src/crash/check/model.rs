//! M: once the model's answer is recorded, the model is not asked again for it.
//!
//! Seen twice: in the server's own marks, and from outside, in the calls that
//! reached the fake model. A reply tells which messages its turn was asked about.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Violation};
use crate::crash::marks::{Mark, Phase};
use crate::crash::oracle::truth::Truth;
use crate::crash::replies::Replies;
use crate::crash::words::Token;

/// What was found, and how many turns could be compared with the calls.
#[derive(Debug, Default)]
pub struct Found {
    pub violations: Vec<Violation>,
    pub compared: u64,
}

pub fn check(history: &[Mark], truth: &Truth, replies: &Replies) -> Found {
    let mut recorded: BTreeMap<&str, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for mark in history {
        let turn = mark.subject.as_str();
        match mark.phase {
            Phase::Recorded => drop(recorded.entry(turn).or_insert(mark.at)),
            Phase::Model if recorded.contains_key(turn) => {
                let detail =
                    format!("turn {turn} asked the model after it had recorded the answer");
                violations.push(Violation::new(Check::Model, detail));
            }
            _ => {}
        }
    }
    let (late, compared) = late_calls(&recorded, truth, replies);
    violations.extend(late);
    Found {
        violations,
        compared,
    }
}

fn late_calls(
    recorded: &BTreeMap<&str, u64>,
    truth: &Truth,
    replies: &Replies,
) -> (Vec<Violation>, u64) {
    let mut asked: BTreeMap<&Token, Vec<(u64, u64)>> = BTreeMap::new();
    for (number, call) in &truth.calls {
        for token in &call.tokens {
            asked.entry(token).or_default().push((*number, call.at));
        }
    }
    let own = own_tokens(truth);
    let mut violations = Vec::new();
    let mut compared = 0;
    for reply in replies.values().flatten() {
        let turn = reply.turn.as_deref().unwrap_or_default();
        let Some(at) = recorded.get(turn) else {
            continue;
        };
        let tokens = reply.tokens.iter().filter(|token| own.contains(token));
        let calls = tokens.flat_map(|token| {
            asked
                .get(token)
                .into_iter()
                .flatten()
                .map(move |call| (token, call))
        });
        for (token, (number, _)) in calls.filter(|(_, (_, asked_at))| asked_at > at) {
            let detail = format!(
                "call {number} asked about {token} after turn {turn} had recorded the answer"
            );
            violations.push(Violation::new(Check::Model, detail));
        }
        compared += 1;
    }
    (violations, compared)
}

/// Tokens of one conversation only. Both tenants use some, and a call does not
/// tell for which of the two it is.
fn own_tokens(truth: &Truth) -> BTreeSet<Token> {
    let mut users: BTreeMap<Token, u32> = BTreeMap::new();
    for key in truth.sent.keys() {
        *users.entry(key.token()).or_default() += 1;
    }
    users
        .into_iter()
        .filter(|(_, users)| *users == 1)
        .map(|(token, _)| token)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::planted::{details, key, replies, truth};
    use super::*;
    use crate::crash::oracle::truth::{Call, Sent};
    use crate::crash::words::Door;

    fn marks(lines: &[&str]) -> anyhow::Result<Vec<Mark>> {
        lines.iter().map(|line| Mark::parse(line)).collect()
    }

    /// The model was asked about message 1 of c1 at this time.
    fn asked_at(at: u64) -> Truth {
        let mut truth = truth("c1", 2);
        let tokens = vec![key("c1", 1).token()];
        truth.calls.insert(
            1,
            Call {
                at,
                tokens,
                complete: true,
            },
        );
        truth
    }

    /// Turn t0 answered message 1.
    fn answered() -> Replies {
        replies("c1", &["saw <<c1:1>>"])
    }

    #[test]
    fn asking_again_before_the_record_passes() -> anyhow::Result<()> {
        let history = marks(&[
            "t0 model 2",
            "t0 claimed 5 e1",
            "t0 model 6",
            "t0 recorded 8",
            "t0 committing 9",
        ])?;
        let found = check(&history, &asked_at(7), &answered());
        assert_eq!((found.violations.len(), found.compared), (0, 1));
        Ok(())
    }

    #[test]
    fn a_model_mark_after_the_record_is_caught() -> anyhow::Result<()> {
        let history = marks(&[
            "t1 model 2",
            "t1 recorded 3",
            "t2 model 4",
            "t1 claimed 5",
            "t1 model 6",
        ])?;
        let found = check(&history, &Truth::default(), &Replies::new()).violations;
        assert_eq!(
            details(&found),
            ["turn t1 asked the model after it had recorded the answer"]
        );
        Ok(())
    }

    #[test]
    fn a_call_after_the_record_is_caught_from_outside() -> anyhow::Result<()> {
        let history = marks(&["t0 claimed 1 e1", "t0 model 2", "t0 recorded 8"])?;
        let found = check(&history, &asked_at(10), &answered()).violations;
        assert_eq!(
            details(&found),
            ["call 1 asked about <<c1:1>> after turn t0 had recorded the answer"]
        );
        Ok(())
    }

    #[test]
    fn what_both_tenants_say_is_not_compared() -> anyhow::Result<()> {
        let mut truth = asked_at(10);
        let mut other = key("c1", 1);
        other.conversation.door = Door::Other;
        truth.sent.insert(other, Sent::default());
        let history = marks(&["t0 recorded 8"])?;
        assert!(check(&history, &truth, &answered()).violations.is_empty());
        Ok(())
    }
}
