//! What the report says of several replicas on one store: takeovers, pauses,
//! outages, and the streams that moved.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::book::{Book, Kind};
use super::check::{Violation, fence, latency, outages, streams, takeover};
use super::marks::Mark;
use super::oracle::truth::Truth;
use super::place::Place;
use super::replies::Replies;
use super::report::millis;
use super::sink::said;
use super::stats::percentile;

/// What a replica logs when its commit was refused.
const REFUSED: &str = "a stale run wrote nothing";

/// Some durations, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Spread {
    pub count: usize,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
}

impl Spread {
    fn of(times: &[Duration]) -> Self {
        let at = |percent| percentile(times, percent).map(millis);
        Self {
            count: times.len(),
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: times.iter().max().copied().map(millis),
        }
    }
}

#[derive(Debug, Default, Serialize)]
pub struct Replicated {
    pub replicas: usize,
    /// From the end of a replica to the next claim of a turn that it held.
    pub takeover: Spread,
    pub takeovers_overlapped: u64,
    pub takeover_limit_ms: f64,
    pub pauses: usize,
    /// Commits of stale runs that the store refused, as the replicas logged them.
    pub refusals: u64,
    /// Writes of lost claims, as the store counts them, where it does.
    pub stale_writes: Option<u64>,
    /// Model calls of runs that had just been woken and were stale.
    pub stale_calls: u64,
    /// Model answers asked for again because they died unflushed with the store.
    pub lost_records: u64,
    /// Acknowledgements of the others while a replica was stopped or cut off.
    pub acks_beside: Spread,
    pub acks_quiet: Spread,
    pub restarts: usize,
    pub backends_terminated: u32,
    pub cuts: BTreeMap<String, usize>,
    /// From the return of the store to the next acknowledgement of each replica.
    pub reconnect_after_restart: Spread,
    pub reconnect_after_cut: Spread,
    /// Repetitions that another replica answered than the one that accepted.
    pub repeated_elsewhere: u64,
    pub acks_by_replica: Vec<u64>,
    pub streams: u64,
    pub stream_events: u64,
    pub stream_moves: u64,
}

/// What is known of the replicas, with everything that is wrong with it. The
/// history is in the order of time.
pub fn look(
    places: &[Place],
    history: &[Mark],
    book: &Book,
    truth: &Truth,
    replies: &Replies,
) -> (Replicated, Vec<Violation>) {
    let takeovers = takeover::check(history, &book.departures);
    let latencies = latency::check(truth, book);
    let followed = streams::check(truth, replies);
    let mut violations = fence::check(history, book);
    violations.extend(outages::check(&book.outages));
    violations.extend(takeovers.violations);
    violations.extend(latencies.violations);
    violations.extend(followed.violations);

    let mut replicated = Replicated {
        replicas: places.len(),
        takeover: Spread::of(&takeovers.times),
        takeovers_overlapped: takeovers.overlapped,
        takeover_limit_ms: millis(takeover::LIMIT),
        pauses: book.pauses.len(),
        refusals: places.iter().map(|place| said(place, REFUSED)).sum(),
        acks_beside: Spread::of(&latencies.beside),
        acks_quiet: Spread::of(&latencies.quiet),
        backends_terminated: book.terminated,
        repeated_elsewhere: repeated_elsewhere(truth),
        acks_by_replica: vec![0; places.len()],
        streams: followed.streams,
        stream_events: followed.events,
        stream_moves: followed.moves,
        ..Replicated::default()
    };
    for acked in &truth.acked {
        if let Some(count) = replicated.acks_by_replica.get_mut(acked.door) {
            *count += 1;
        }
    }
    let mut restarts = Vec::new();
    let mut cuts = Vec::new();
    for outage in &book.outages {
        let times = outage
            .recoveries()
            .filter_map(|(_, took)| took.map(Duration::from_micros));
        match outage.kind {
            Kind::Restart => {
                replicated.restarts += 1;
                restarts.extend(times);
            }
            Kind::Cut => {
                let how = outage.how.map(|how| format!("{how:?}").to_lowercase());
                *replicated.cuts.entry(how.unwrap_or_default()).or_default() += 1;
                cuts.extend(times);
            }
        }
    }
    replicated.reconnect_after_restart = Spread::of(&restarts);
    replicated.reconnect_after_cut = Spread::of(&cuts);
    (replicated, violations)
}

fn repeated_elsewhere(truth: &Truth) -> u64 {
    let accepted = truth.acked.iter().filter(|acked| acked.accepted);
    let taken: BTreeMap<_, usize> = accepted.map(|acked| (&acked.key, acked.door)).collect();
    let repeated = truth.acked.iter().filter(|acked| !acked.accepted);
    repeated
        .filter(|acked| {
            taken
                .get(&acked.key)
                .is_some_and(|door| *door != acked.door)
        })
        .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_of_nothing_says_so() {
        assert_eq!(Spread::of(&[]), Spread::default());
        let spread = Spread::of(&[Duration::from_millis(3), Duration::from_millis(1)]);
        assert_eq!((spread.count, spread.max_ms), (2, Some(3.0)));
    }
}
