//! M: once the model's answer is recorded, the model is not asked again for it.
//!
//! Seen twice: in the server's own marks, and from outside, in the calls that
//! reached the fake model. A reply tells which messages its turn was asked about.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Violation};
use crate::crash::book::{Book, Kind, Pause};
use crate::crash::marks::{Mark, Phase, went_on};
use crate::crash::oracle::truth::Truth;
use crate::crash::replies::Replies;
use crate::crash::words::Token;

/// In microseconds. A process that was stopped just before a call, after the
/// last look at its claim, makes the call when it wakes up.
const WAKING: u64 = 1_000_000;
/// In microseconds. Postgres flushes what nobody waits for three times as soon.
const UNFLUSHED: u64 = 2_000_000;

/// What was found, and how many turns could be compared with the calls.
#[derive(Debug, Default)]
pub struct Found {
    pub violations: Vec<Violation>,
    pub compared: u64,
    /// Calls by a process that had just been woken, for a turn that was recorded
    /// by another one meanwhile: paid twice, and nobody can prevent all of them.
    pub by_woken: u64,
    /// Answers that were asked for again because the store's process died before
    /// they were on the disk.
    pub lost_records: u64,
}

/// The history in the order of time.
pub fn check(history: &[Mark], truth: &Truth, replies: &Replies, book: &Book) -> Found {
    let mut recorded: BTreeMap<&str, u64> = BTreeMap::new();
    let mut lost: BTreeSet<&str> = BTreeSet::new();
    let mut found = Found::default();
    for (index, mark) in history.iter().enumerate() {
        let turn = mark.subject.as_str();
        match mark.phase {
            Phase::Recorded if may_be_lost(book, mark.at) => drop(lost.insert(turn)),
            Phase::Recorded => drop(recorded.entry(turn).or_insert(mark.at)),
            // The mark comes before the last look at the claim. Where runs lose their
            // claims, the calls tell of those that went no further.
            Phase::Model
                if recorded.contains_key(turn)
                    && (book.is_empty() || went_on(mark, &history[index + 1..])) =>
            {
                let detail =
                    format!("turn {turn} asked the model after it had recorded the answer");
                found.violations.push(Violation::new(Check::Model, detail));
            }
            Phase::Model if lost.remove(turn) => found.lost_records += 1,
            _ => {}
        }
    }
    late_calls(&recorded, truth, replies, &book.pauses, &mut found);
    found
}

/// A record without an intent is not waited for until it is on the disk: when
/// the store's own process dies, the last ones may die with it.
fn may_be_lost(book: &Book, at: u64) -> bool {
    let restarts = book
        .outages
        .iter()
        .filter(|outage| outage.kind == Kind::Restart);
    let mut unflushed = restarts.map(|restart| restart.from.saturating_sub(UNFLUSHED)..restart.to);
    unflushed.any(|times| times.contains(&at))
}

/// Whether a replica that had this turn was woken just before.
fn woken(pauses: &[Pause], turn: &str, at: u64) -> bool {
    pauses.iter().any(|pause| {
        (pause.to..pause.to + WAKING).contains(&at) && pause.turns.iter().any(|had| had == turn)
    })
}

fn late_calls(
    recorded: &BTreeMap<&str, u64>,
    truth: &Truth,
    replies: &Replies,
    pauses: &[Pause],
    found: &mut Found,
) {
    let mut asked: BTreeMap<&Token, Vec<(u64, u64)>> = BTreeMap::new();
    for (number, call) in &truth.calls {
        for token in &call.tokens {
            asked.entry(token).or_default().push((*number, call.at));
        }
    }
    let own = own_tokens(truth);
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
        for (token, (number, asked_at)) in calls.filter(|(_, (_, asked_at))| asked_at > at) {
            if woken(pauses, turn, *asked_at) {
                found.by_woken += 1;
                continue;
            }
            let detail = format!(
                "call {number} asked about {token} after turn {turn} had recorded the answer"
            );
            found.violations.push(Violation::new(Check::Model, detail));
        }
        found.compared += 1;
    }
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
    use crate::crash::book::Outage;
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
        let found = check(&history, &asked_at(7), &answered(), &Book::default());
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
        let found = check(
            &history,
            &Truth::default(),
            &Replies::new(),
            &Book::default(),
        )
        .violations;
        assert_eq!(
            details(&found),
            ["turn t1 asked the model after it had recorded the answer"]
        );
        Ok(())
    }

    #[test]
    fn a_call_after_the_record_is_caught_from_outside() -> anyhow::Result<()> {
        let history = marks(&["t0 claimed 1 e1", "t0 model 2", "t0 recorded 8"])?;
        let found = check(&history, &asked_at(10), &answered(), &Book::default()).violations;
        assert_eq!(
            details(&found),
            ["call 1 asked about <<c1:1>> after turn t0 had recorded the answer"]
        );
        Ok(())
    }

    fn paused(turn: &str) -> Book {
        let pause = Pause {
            replica: 0,
            incarnation: 1,
            from: 3,
            to: 11,
            turns: vec![turn.to_owned()],
        };
        Book {
            pauses: vec![pause],
            ..Book::default()
        }
    }

    #[test]
    fn a_call_by_a_process_that_just_woke_up_is_counted_apart() -> anyhow::Result<()> {
        let history = marks(&["t0 model 2", "t0 recorded 8", "t0 model 12"])?;
        let found = check(&history, &asked_at(13), &answered(), &paused("t0"));
        assert_eq!((found.violations.len(), found.by_woken), (0, 1));
        let found = check(&history, &asked_at(13), &answered(), &paused("t1"));
        assert_eq!((found.violations.len(), found.by_woken), (1, 0));
        Ok(())
    }

    #[test]
    fn a_run_that_goes_on_after_waking_is_caught_by_its_marks() -> anyhow::Result<()> {
        let history = marks(&[
            "t0 model 2",
            "t0 recorded 8",
            "t0 model 12",
            "t0 recorded 13",
        ])?;
        let found = check(&history, &Truth::default(), &Replies::new(), &paused("t0"));
        assert_eq!(found.violations.len(), 1);
        Ok(())
    }

    #[test]
    fn a_record_that_died_with_the_store_is_counted_apart() -> anyhow::Result<()> {
        let history = marks(&["t0 recorded 8", "t0 model 12", "t0 recorded 13"])?;
        let restart = |from| Book {
            outages: vec![Outage {
                kind: Kind::Restart,
                how: None,
                replicas: vec![0],
                incarnations: Vec::new(),
                since: from,
                from,
                to: from + 3,
                back: BTreeMap::new(),
            }],
            ..Book::default()
        };
        let found = check(&history, &asked_at(12), &answered(), &restart(9));
        assert_eq!((found.violations.len(), found.lost_records), (0, 1));
        let long_after = check(&history, &asked_at(12), &answered(), &restart(9_000_000));
        assert_eq!(long_after.lost_records, 0);
        assert!(!long_after.violations.is_empty());
        Ok(())
    }

    #[test]
    fn what_both_tenants_say_is_not_compared() -> anyhow::Result<()> {
        let mut truth = asked_at(10);
        let mut other = key("c1", 1);
        other.conversation.door = Door::Other;
        truth.sent.insert(other, Sent::default());
        let history = marks(&["t0 recorded 8"])?;
        assert!(
            check(&history, &truth, &answered(), &Book::default())
                .violations
                .is_empty()
        );
        Ok(())
    }
}
