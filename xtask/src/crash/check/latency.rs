//! What one replica suffers must not be felt at the doors of the others: nobody
//! who is stopped or cut off holds what they need.

use std::time::Duration;

use super::{Check, Violation};
use crate::crash::book::{Book, Kind};
use crate::crash::oracle::truth::{Acked, Truth};

/// The longest that a healthy replica may take to acknowledge.
pub const LIMIT: Duration = Duration::from_secs(2);
/// After a pause everybody catches up with the sleeper's clients, in microseconds.
const AFTERMATH: u64 = 1_000_000;

#[derive(Debug, Default)]
pub struct Latencies {
    /// Of the healthy replicas while another one was stopped or cut off.
    pub beside: Vec<Duration>,
    /// Of all replicas when nobody was.
    pub quiet: Vec<Duration>,
    pub violations: Vec<Violation>,
}

pub fn check(truth: &Truth, book: &Book) -> Latencies {
    let mut latencies = Latencies::default();
    for acked in &truth.acked {
        let took = Duration::from_micros(acked.took);
        match felt(acked, book) {
            Felt::Itself => {}
            Felt::Nothing => latencies.quiet.push(took),
            Felt::Another => {
                latencies.beside.push(took);
                if took > LIMIT {
                    let detail = format!(
                        "replica {} took {took:?} to acknowledge {} while another one was stopped",
                        acked.door, acked.key
                    );
                    latencies
                        .violations
                        .push(Violation::new(Check::Latency, detail));
                }
            }
        }
    }
    latencies
}

enum Felt {
    Nothing,
    Another,
    Itself,
}

fn felt(acked: &Acked, book: &Book) -> Felt {
    let (from, to) = (acked.asked_at(), acked.at);
    let cuts = || {
        book.outages
            .iter()
            .filter(|outage| outage.kind == Kind::Cut)
    };
    let own_pause = |near: u64| {
        book.pauses.iter().any(|pause| {
            pause.replica == acked.door && pause.overlaps(from.saturating_sub(near), to)
        })
    };
    let all_down = book
        .outages
        .iter()
        .any(|outage| outage.covers(acked.door, from, to));
    if all_down || own_pause(AFTERMATH) {
        return Felt::Itself;
    }
    let beside = book.pauses.iter().any(|pause| pause.overlaps(from, to))
        || cuts().any(|cut| cut.from < to && from < cut.to);
    if beside {
        return Felt::Another;
    }
    let after = book
        .pauses
        .iter()
        .any(|pause| pause.overlaps(from.saturating_sub(AFTERMATH), to));
    if after { Felt::Itself } else { Felt::Nothing }
}

#[cfg(test)]
mod tests {
    use super::super::planted::key;
    use super::*;
    use crate::crash::book::Pause;

    /// Replica 0 sleeps from second 10 to second 14.
    fn book() -> Book {
        Book {
            pauses: vec![Pause {
                replica: 0,
                incarnation: 1,
                from: 10_000_000,
                to: 14_000_000,
                turns: Vec::new(),
            }],
            ..Book::default()
        }
    }

    fn after(door: usize, at: u64, took: u64) -> Latencies {
        let mut truth = Truth::default();
        truth.acked.push(Acked {
            key: key("c1", 1),
            door,
            accepted: true,
            at,
            took,
        });
        check(&truth, &book())
    }

    #[test]
    fn the_sleeper_itself_may_take_its_time() {
        let found = after(0, 14_100_000, 4_000_000);
        assert_eq!((found.beside.len(), found.quiet.len()), (0, 0));
    }

    #[test]
    fn the_others_may_not() {
        assert!(after(1, 12_000_000, 1_900_000).violations.is_empty());
        assert_eq!(after(1, 12_000_000, 2_100_000).violations.len(), 1);
    }

    #[test]
    fn what_is_far_from_a_pause_is_quiet() {
        assert_eq!(after(1, 9_000_000, 500).quiet.len(), 1);
        assert_eq!(after(1, 14_500_000, 500).quiet.len(), 0);
        assert_eq!(after(0, 15_500_000, 500).quiet.len(), 1);
    }
}
