//! S: who followed a conversation from replica to replica saw what is there:
//! every event once, in order.

use super::{Check, Violation};
use crate::crash::oracle::truth::Truth;
use crate::crash::replies::Replies;

#[derive(Debug, Default)]
pub struct Followed {
    pub streams: u64,
    pub events: u64,
    /// How often a stream went on at another replica.
    pub moves: u64,
    pub violations: Vec<Violation>,
}

pub fn check(truth: &Truth, replies: &Replies) -> Followed {
    let mut followed = Followed::default();
    for (conversation, seen) in &truth.seen {
        followed.streams += 1;
        followed.events += seen.len() as u64;
        let moves = seen.windows(2).filter(|pair| pair[0].1 != pair[1].1);
        followed.moves += moves.count() as u64;
        let mut wrong = |detail: String| {
            let detail = format!("{conversation}: {detail}");
            followed
                .violations
                .push(Violation::new(Check::Streams, detail));
        };
        for pair in seen.windows(2).filter(|pair| pair[1].0 <= pair[0].0) {
            let ((before, _), (after, door)) = (pair[0], pair[1]);
            wrong(format!(
                "replica {door} showed event {after} after event {before} was seen"
            ));
        }
        let there = replies.get(conversation).into_iter().flatten();
        let missing: Vec<u64> = there
            .map(|reply| reply.number)
            .filter(|number| seen.iter().all(|(seen, _)| seen != number))
            .collect();
        if let Some(first) = missing.first() {
            wrong(format!(
                "{} events were never shown, the first is {first}",
                missing.len()
            ));
        }
    }
    followed
}

#[cfg(test)]
mod tests {
    use super::super::planted::{conversation, details, replies};
    use super::*;

    fn found(seen: &[(u64, usize)]) -> (u64, Vec<String>) {
        let mut truth = Truth::default();
        truth.seen.insert(conversation("c1"), seen.to_vec());
        let replies = replies("c1", &["saw <<c1:1>>", "saw <<c1:2>>", "saw <<c1:3>>"]);
        let followed = check(&truth, &replies);
        let details = details(&followed.violations).into_iter();
        (followed.moves, details.map(str::to_owned).collect())
    }

    #[test]
    fn a_stream_that_moved_and_missed_nothing_passes() {
        assert_eq!(found(&[(1, 0), (2, 2), (3, 2)]), (1, Vec::new()));
    }

    #[test]
    fn a_gap_and_an_echo_are_caught() {
        assert_eq!(
            found(&[(1, 0), (3, 1)]).1,
            ["main/c1: 1 events were never shown, the first is 2"]
        );
        assert_eq!(
            found(&[(1, 0), (2, 0), (2, 1), (3, 1)]).1,
            ["main/c1: replica 1 showed event 2 after event 2 was seen"]
        );
    }
}
