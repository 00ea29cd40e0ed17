//! What one program did, and the medians of several rounds.

use serde::{Deserialize, Serialize};

use super::path::EventsTold;
use super::workload::PAYLOAD;

/// What one program did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Figures {
    /// Turns that ended while we measured.
    pub turns: u64,
    /// Turns in all, warm-up and rest included.
    pub turns_in_all: u64,
    /// How long we measured.
    pub seconds: f64,
    pub turns_per_second: f64,
    /// From handing a message in to its answer being sent.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Transactions while we measured.
    pub commits: u64,
    /// Requests that a transaction served.
    pub items_per_commit: f64,
    /// The part of the time that transactions took.
    pub writer_busy: f64,
    /// Processors that were busy while we measured.
    pub processors: f64,
    /// Memory at the end of the measurement, load still on.
    pub rss_bytes: u64,
    /// Memory after a tenth of the turns, where turns were counted.
    pub rss_bytes_at_tenth: u64,
    /// Messages that were refused or had no answer in time.
    pub unanswered: u64,
    /// Growth of the file for each turn, without the payload.
    pub bytes_per_turn: f64,
    /// Bytes written to the log for each turn, from a run of its own.
    pub wal_bytes_per_turn: Option<f64>,
    /// Where events were emitted: what became of them, warm-up and rest included.
    pub events: Option<EventsTold>,
}

impl Figures {
    /// Fills in what the file has grown by.
    pub(super) fn with_growth(mut self, before: u64, after: u64) -> Self {
        let turns = self.turns_in_all.max(1) as f64;
        self.bytes_per_turn = after.saturating_sub(before) as f64 / turns - PAYLOAD as f64;
        self
    }

    /// Fills in what the log was given.
    pub(super) fn with_log(mut self, bytes: Option<u64>) -> Self {
        let turns = self.turns_in_all.max(1) as f64;
        self.wal_bytes_per_turn = bytes.map(|bytes| bytes as f64 / turns);
        self
    }

    /// The median of each figure.
    pub(super) fn medians(rounds: &[Self]) -> Self {
        let real = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect::<Vec<_>>());
        let whole =
            |figure: fn(&Self) -> u64| median(rounds.iter().map(figure).collect::<Vec<_>>());
        let logs: Vec<f64> = rounds
            .iter()
            .filter_map(|round| round.wal_bytes_per_turn)
            .collect();
        let events = |part: fn(&EventsTold) -> u64| {
            median(
                rounds
                    .iter()
                    .filter_map(|one| one.events.as_ref())
                    .map(part)
                    .collect(),
            )
        };
        Self {
            turns: whole(|round| round.turns),
            turns_in_all: whole(|round| round.turns_in_all),
            seconds: real(|round| round.seconds),
            turns_per_second: real(|round| round.turns_per_second),
            p50_ms: real(|round| round.p50_ms),
            p99_ms: real(|round| round.p99_ms),
            max_ms: real(|round| round.max_ms),
            commits: whole(|round| round.commits),
            items_per_commit: real(|round| round.items_per_commit),
            writer_busy: real(|round| round.writer_busy),
            processors: real(|round| round.processors),
            rss_bytes: whole(|round| round.rss_bytes),
            rss_bytes_at_tenth: whole(|round| round.rss_bytes_at_tenth),
            unanswered: rounds.iter().map(|round| round.unanswered).sum(),
            bytes_per_turn: real(|round| round.bytes_per_turn),
            wal_bytes_per_turn: (!logs.is_empty()).then(|| median(logs)),
            events: rounds
                .iter()
                .any(|one| one.events.is_some())
                .then(|| EventsTold {
                    emitted: events(|one| one.emitted),
                    delivered: events(|one| one.delivered),
                    dropped: events(|one| one.dropped),
                }),
        }
    }
}

/// The middle of some figures; of an even number the upper one. Zero of none.
pub(super) fn median<T: PartialOrd + Copy + Default>(mut figures: Vec<T>) -> T {
    figures.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![3, 1, 2]), 2);
        assert_eq!(median::<u64>(Vec::new()), 0);
    }

    #[test]
    fn growth_leaves_the_payload_out() {
        let figures = Figures {
            turns_in_all: 10,
            ..Figures::default()
        };
        let grown = figures.with_growth(1_000, 21_000);
        assert_eq!(grown.bytes_per_turn, 2_000.0 - PAYLOAD as f64);
    }
}
