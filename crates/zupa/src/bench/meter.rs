//! Where both programs report: what counts, from when to when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock;
use super::figures::Figures;
use super::folder;
use super::histogram::Histogram;
use super::workload::Workload;

/// What the writing side of a program counts.
#[derive(Debug, Default)]
pub(super) struct Writes {
    commits: AtomicU64,
    items: AtomicU64,
    busy_nanos: AtomicU64,
}

impl Writes {
    /// Notes one transaction: how many requests it served and how long it took.
    pub(super) fn note(&self, items: usize, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn read(&self) -> Counted {
        Counted {
            commits: self.commits.load(Ordering::Relaxed),
            items: self.items.load(Ordering::Relaxed),
            busy_nanos: self.busy_nanos.load(Ordering::Relaxed),
            processor: folder::processor_time(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    commits: u64,
    items: u64,
    busy_nanos: u64,
    processor: Duration,
}

/// Turns as they end.
#[derive(Debug)]
pub(super) struct Meter {
    opens: Instant,
    tenth: Option<u64>,
    writes: Arc<Writes>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    all: u64,
    inside: u64,
    latency: Histogram,
    at_open: Option<Counted>,
    at_close: Option<(Instant, Counted)>,
    refused: u64,
    rss_at_tenth: u64,
    rss: u64,
}

impl Meter {
    /// Measures from the end of the warm-up on.
    pub(super) fn new(workload: &Workload, writes: Arc<Writes>) -> Self {
        Self {
            opens: clock::now() + workload.warm_up(),
            tenth: workload.turns.map(|turns| (turns / 10).max(1)),
            writes,
            state: Mutex::new(State {
                all: 0,
                inside: 0,
                latency: Histogram::default(),
                at_open: None,
                at_close: None,
                refused: 0,
                rss_at_tenth: 0,
                rss: 0,
            }),
        }
    }

    /// When the last message may be sent.
    pub(super) fn ends(&self, workload: &Workload) -> Instant {
        self.opens + workload.measured()
    }

    /// Notes an answered message. Its time counts if it was sent while we
    /// measured, however late the answer; its turn if it was answered then.
    pub(super) fn answered(&self, sent: Instant, at: Instant) {
        let mut state = self.lock();
        state.all += 1;
        if Some(state.all) == self.tenth {
            state.rss_at_tenth = folder::resident_bytes();
        }
        if at >= self.opens {
            if state.at_open.is_none() {
                state.at_open = Some(self.writes.read());
            }
            if state.at_close.is_none() {
                state.inside += 1;
            }
        }
        let closed = state.at_close.map(|(closes, _)| closes);
        if sent >= self.opens && closed.is_none_or(|closes| sent <= closes) {
            state.latency.add(at.saturating_duration_since(sent));
        }
    }

    /// Notes a message that was not taken.
    pub(super) fn refused(&self) {
        self.lock().refused += 1;
    }

    /// Ends the measurement; what was sent may still be answered.
    pub(super) fn close(&self, at: Instant) {
        let rss = folder::resident_bytes();
        let mut state = self.lock();
        if state.at_close.is_none() {
            state.at_close = Some((at, self.writes.read()));
            state.rss = rss;
        }
    }

    /// Turns so far.
    pub(super) fn all(&self) -> u64 {
        self.lock().all
    }

    /// The figures; what the file weighs is filled in by the caller.
    pub(super) fn figures(&self, unanswered: u64) -> Figures {
        let state = self.lock();
        let end = self.writes.read();
        let (closed, close) = state.at_close.unwrap_or((clock::now(), end));
        let open = state.at_open.unwrap_or(close);
        let open_since = self.opens.min(closed);
        let seconds = closed.duration_since(open_since).as_secs_f64().max(1e-9);
        let commits = close.commits - open.commits;
        Figures {
            turns: state.inside,
            turns_in_all: state.all,
            seconds,
            turns_per_second: state.inside as f64 / seconds,
            p50_ms: clock::millis(state.latency.quantile(0.5)),
            p99_ms: clock::millis(state.latency.quantile(0.99)),
            max_ms: clock::millis(state.latency.longest()),
            commits,
            items_per_commit: (close.items - open.items) as f64 / (commits.max(1)) as f64,
            writer_busy: (close.busy_nanos - open.busy_nanos) as f64 / 1e9 / seconds,
            processors: (close.processor - open.processor).as_secs_f64() / seconds,
            rss_bytes: state.rss,
            rss_bytes_at_tenth: state.rss_at_tenth,
            unanswered: unanswered + state.refused,
            bytes_per_turn: 0.0,
            wal_bytes_per_turn: None,
            events: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
