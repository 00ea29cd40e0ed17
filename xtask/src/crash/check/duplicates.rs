//! No reply is seen twice: numbers rise, ids differ, and a turn speaks once,
//! because the agent of this run answers each turn with one message.

use std::collections::BTreeSet;

use super::{Check, Violation};
use crate::crash::replies::Replies;

pub fn check(replies: &Replies) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    let mut turns = BTreeSet::new();
    for (conversation, replies) in replies {
        let mut last = None;
        for reply in replies {
            let mut wrong = |detail: String| {
                found.push(Violation::new(
                    Check::Duplicates,
                    format!("{conversation}: {detail}"),
                ))
            };
            if last.is_some_and(|last| reply.number <= last) {
                wrong(format!(
                    "event {} comes after event {}",
                    reply.number,
                    last.unwrap_or_default()
                ));
            }
            if !ids.insert(&reply.id) {
                wrong(format!("message id {} is seen twice", reply.id));
            }
            if reply.turn.as_ref().is_some_and(|turn| !turns.insert(turn)) {
                wrong(format!(
                    "turn {} speaks twice",
                    reply.turn.as_deref().unwrap_or_default()
                ));
            }
            last = Some(reply.number);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::planted::{conversation, details, replies};
    use super::*;
    use crate::crash::replies::Reply;

    fn found(change: impl Fn(&mut Reply)) -> Vec<String> {
        let mut replies = replies("c1", &["saw <<c1:1>>", "saw <<c1:2>>"]);
        for second in replies
            .values_mut()
            .filter_map(|replies| replies.get_mut(1))
        {
            change(second);
        }
        details(&check(&replies))
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn different_replies_pass() {
        assert!(found(|_| {}).is_empty());
        assert!(found(|second| second.turn = None).is_empty());
    }

    #[test]
    fn a_repeated_number_is_caught() {
        assert_eq!(
            found(|second| second.number = 1),
            ["main/c1: event 1 comes after event 1"]
        );
    }

    #[test]
    fn a_repeated_id_is_caught() {
        assert_eq!(
            found(|second| second.id = "t0-0".to_owned()),
            ["main/c1: message id t0-0 is seen twice"]
        );
    }

    #[test]
    fn a_turn_that_speaks_twice_is_caught() {
        assert_eq!(
            found(|second| second.turn = Some("t0".to_owned())),
            ["main/c1: turn t0 speaks twice"]
        );
    }

    #[test]
    fn one_id_in_two_conversations_is_caught() {
        let mut both = replies("c1", &["saw <<c1:1>>"]);
        let mut other = replies("c2", &["saw <<c2:1>>"]);
        other
            .values_mut()
            .flatten()
            .for_each(|reply| reply.turn = None);
        both.append(&mut other);
        assert_eq!(
            details(&check(&both)),
            [format!(
                "{}: message id t0-0 is seen twice",
                conversation("c2")
            )]
        );
    }
}
