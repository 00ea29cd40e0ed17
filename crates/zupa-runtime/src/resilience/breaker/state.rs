//! What a breaker decides. No clock, no lock, no callback: whoever calls has those.

use std::time::Duration;

use super::super::window::{Counts, Window};
use super::{BreakerMetrics, BreakerRules, BreakerState, BreakerTotals, UNTIL_PROBED};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    Failed,
    Cancelled,
}

/// What somebody is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    HalfOpened,
    Closed,
}

#[derive(Debug)]
enum Phase {
    Closed,
    /// Without a time it was opened by hand.
    Open {
        until: Option<Duration>,
    },
    HalfOpen {
        in_flight: u32,
        succeeded: u32,
    },
}

#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    generation: u64,
    window: Window,
    totals: BreakerTotals,
}

impl Machine {
    pub(super) fn new(rules: &BreakerRules) -> Self {
        Self {
            phase: Phase::Closed,
            generation: 0,
            window: Window::new(rules.window),
            totals: BreakerTotals::default(),
        }
    }

    /// The generation of a call that may be made, or how long to wait for one, if that is
    /// known.
    pub(super) fn admit(
        &mut self,
        rules: &BreakerRules,
        now: Duration,
    ) -> (Result<u64, Option<Duration>>, Option<Change>) {
        let due = matches!(self.phase, Phase::Open { until: Some(until) } if now >= until);
        let change = due.then(|| {
            self.begin(Phase::HalfOpen {
                in_flight: 0,
                succeeded: 0,
            });
            Change::HalfOpened
        });
        if let Some(wait) = self.refuses(rules, now) {
            self.totals.refused += 1;
            return (Err(wait), change);
        }
        if let Phase::HalfOpen { in_flight, .. } = &mut self.phase {
            *in_flight += 1;
        }
        (Ok(self.generation), change)
    }

    /// How long a caller would have to wait, if that is known; none if it need not.
    pub(super) fn refuses(&self, rules: &BreakerRules, now: Duration) -> Option<Option<Duration>> {
        match self.phase {
            Phase::Closed => None,
            Phase::Open { until } => match until.map(|until| until.saturating_sub(now)) {
                Some(Duration::ZERO) => None,
                wait => Some(wait),
            },
            Phase::HalfOpen {
                in_flight,
                succeeded,
            } => (in_flight + succeeded >= rules.probes).then_some(Some(UNTIL_PROBED)),
        }
    }

    pub(super) fn end(
        &mut self,
        rules: &BreakerRules,
        now: Duration,
        generation: u64,
        end: End,
    ) -> Option<Change> {
        if generation != self.generation {
            self.totals.late += 1;
            return None;
        }
        match end {
            End::Succeeded => self.totals.succeeded += 1,
            End::Failed => self.totals.failed += 1,
            End::Cancelled => self.totals.cancelled += 1,
        }
        match &mut self.phase {
            Phase::Closed => self.count(rules, now, end),
            // A change of state begins a generation, so no call of this one is out.
            Phase::Open { .. } => None,
            Phase::HalfOpen {
                in_flight,
                succeeded,
            } => {
                *in_flight = in_flight.saturating_sub(1);
                match end {
                    End::Cancelled => None,
                    End::Failed => Some(self.open(Some(now + rules.reset))),
                    End::Succeeded => {
                        *succeeded += 1;
                        let all = *succeeded >= rules.probes;
                        all.then(|| self.close()).flatten()
                    }
                }
            }
        }
    }

    fn count(&mut self, rules: &BreakerRules, now: Duration, end: End) -> Option<Change> {
        let marked = match end {
            End::Cancelled => return None,
            End::Succeeded => 0,
            End::Failed => 1,
        };
        self.window.add(now, Counts { all: 1, marked });
        let sum = self.window.sum(now);
        let too_many = marked > 0
            && sum.all >= u64::from(rules.minimum_calls)
            && sum.marked * 100 >= sum.all * u64::from(rules.failure_percent);
        too_many.then(|| self.open(Some(now + rules.reset)))
    }

    pub(super) fn open_by_hand(&mut self) -> Option<Change> {
        let was_open = matches!(self.phase, Phase::Open { .. });
        let change = self.open(None);
        (!was_open).then_some(change)
    }

    fn open(&mut self, until: Option<Duration>) -> Change {
        if !matches!(self.phase, Phase::Open { .. }) {
            self.totals.opened += 1;
        }
        self.begin(Phase::Open { until });
        Change::Opened
    }

    /// Closed, with an empty window.
    pub(super) fn close(&mut self) -> Option<Change> {
        let was_closed = matches!(self.phase, Phase::Closed);
        self.begin(Phase::Closed);
        self.window.clear();
        (!was_closed).then_some(Change::Closed)
    }

    pub(super) fn forget_totals(&mut self) {
        self.totals = BreakerTotals::default();
    }

    fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }

    pub(super) fn metrics(&self, now: Duration) -> BreakerMetrics {
        let recent = self.window.sum(now);
        let (state, next_probe_in) = match self.phase {
            Phase::Closed => (BreakerState::Closed, None),
            Phase::Open { until } => (
                BreakerState::Open,
                until.map(|until| until.saturating_sub(now)),
            ),
            Phase::HalfOpen { .. } => (BreakerState::HalfOpen, Some(Duration::ZERO)),
        };
        BreakerMetrics {
            state,
            recent_calls: recent.all,
            recent_failures: recent.marked,
            failure_percent: (recent.all > 0)
                .then(|| recent.marked as f64 * 100.0 / recent.all as f64),
            totals: self.totals,
            next_probe_in,
        }
    }
}
