//! M: once the model's answer is recorded, the model is not asked again for it.
//!
//! Seen twice: in the server's own marks, and from outside, in the calls that
//! reached the fake model. The second needs to know which messages a turn took,
//! which the marks tell in the ids that the acknowledgements used.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Violation};
use crate::crash::marks::{Mark, Phase};
use crate::crash::oracle::truth::Truth;
use crate::crash::words::Token;

/// What was found, and how many turns could be compared with the calls.
#[derive(Debug, Default)]
pub struct Found {
    pub violations: Vec<Violation>,
    pub compared: u64,
}

pub fn check(history: &[Mark], truth: &Truth) -> Found {
    let mut recorded: BTreeMap<&str, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for mark in history {
        let turn = mark.subject.as_str();
        match mark.phase {
            Phase::Recorded => drop(recorded.entry(turn).or_insert(mark.at)),
            Phase::Model if recorded.contains_key(turn) => {
                violations.push(Violation::new(
                    Check::Model,
                    format!("turn {turn} asked the model after it had recorded the answer"),
                ));
            }
            _ => {}
        }
    }
    let (late, compared) = late_calls(history, &recorded, truth);
    violations.extend(late);
    Found {
        violations,
        compared,
    }
}

fn late_calls(
    history: &[Mark],
    recorded: &BTreeMap<&str, u64>,
    truth: &Truth,
) -> (Vec<Violation>, u64) {
    let names = token_of_event(truth);
    let mut taken: BTreeMap<&Token, (u64, &str)> = BTreeMap::new();
    let mut compared = BTreeSet::new();
    for mark in history.iter().filter(|mark| mark.phase == Phase::Claimed) {
        let Some(at) = recorded.get(mark.subject.as_str()) else {
            continue;
        };
        for token in mark
            .events
            .iter()
            .filter_map(|event| names.get(event.as_str()))
        {
            taken.insert(token, (*at, &mark.subject));
            compared.insert(&mark.subject);
        }
    }
    let mut violations = Vec::new();
    for (number, call) in &truth.calls {
        for token in &call.tokens {
            if let Some((at, turn)) = taken.get(token)
                && call.at > *at
            {
                let after = call.at - at;
                let detail = format!(
                    "call {number} asked about {token} {after} µs after turn {turn} had recorded the answer"
                );
                violations.push(Violation::new(Check::Model, detail));
            }
        }
    }
    (violations, compared.len() as u64)
}

/// The tokens of events, without those that both tenants use: a call does not
/// tell which of the two it is for.
fn token_of_event(truth: &Truth) -> BTreeMap<&str, Token> {
    let mut users: BTreeMap<Token, u32> = BTreeMap::new();
    for key in truth.sent.keys() {
        *users.entry(key.token()).or_default() += 1;
    }
    let own = truth
        .sent
        .iter()
        .filter(|(key, _)| users.get(&key.token()) == Some(&1));
    own.flat_map(|(key, sent)| {
        sent.answers
            .iter()
            .map(|answer| (answer.as_str(), key.token()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::planted::{details, key, truth};
    use super::*;
    use crate::crash::oracle::truth::Call;

    fn marks(lines: &[&str]) -> anyhow::Result<Vec<Mark>> {
        lines.iter().map(|line| Mark::parse(line)).collect()
    }

    /// Message 2 of c1 is event e2, and the model was asked about it at this time.
    fn asked_at(at: u64) -> Truth {
        let mut truth = truth("c1", 2);
        truth
            .sent
            .entry(key("c1", 2))
            .and_modify(|sent| sent.answers.extend(["e2".to_owned()]));
        truth.calls.insert(
            1,
            Call {
                at,
                tokens: vec![key("c1", 2).token()],
                complete: true,
            },
        );
        truth
    }

    #[test]
    fn asking_again_before_the_record_passes() -> anyhow::Result<()> {
        let history = marks(&[
            "t1 claimed 1 e2",
            "t1 model 2",
            "t1 claimed 5 e2",
            "t1 model 6",
            "t1 recorded 8",
            "t1 committing 9",
        ])?;
        let found = check(&history, &asked_at(7));
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
        let found = check(&history, &Truth::default()).violations;
        assert_eq!(
            details(&found),
            ["turn t1 asked the model after it had recorded the answer"]
        );
        Ok(())
    }

    #[test]
    fn a_call_after_the_record_is_caught_from_outside() -> anyhow::Result<()> {
        let history = marks(&["t1 claimed 1 e2", "t1 model 2", "t1 recorded 8"])?;
        let found = check(&history, &asked_at(10)).violations;
        assert_eq!(
            details(&found),
            ["call 1 asked about <<c1:2>> 2 µs after turn t1 had recorded the answer"]
        );
        Ok(())
    }
}
