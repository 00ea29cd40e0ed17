//! How a breaker is made.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zupa_core::{Clock, Error, Result};

use super::state::Machine;
use super::{Breaker, Callback, Inner, Test};
use crate::system::SystemClock;

/// When a breaker opens, and how it closes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failed calls of the window at which it opens, in percent, 1 to 100. Default: 30.
    pub failure_percent: u32,
    /// Calls that the window must have before any share of them counts. Default: 5.
    pub minimum_calls: u32,
    /// How far back calls count. Default: 30 s.
    pub window: Duration,
    /// How long it stays open. Default: 60 s.
    pub reset: Duration,
    /// Calls that go through in half-open, all of which must succeed. Default: 3.
    pub probes: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failure_percent: 30,
            minimum_calls: 5,
            window: Duration::from_secs(30),
            reset: Duration::from_secs(60),
            probes: 3,
        }
    }
}

/// Assembles a [`Breaker`].
pub struct BreakerBuilder {
    name: String,
    rules: BreakerRules,
    request_timeout: Option<Duration>,
    clock: Arc<dyn Clock>,
    is_failure: Test,
    on_open: Option<Callback>,
    on_half_open: Option<Callback>,
    on_close: Option<Callback>,
}

impl BreakerBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            rules: BreakerRules::default(),
            request_timeout: None,
            clock: Arc::new(SystemClock::default()),
            is_failure: Arc::new(Error::is_about_provider),
            on_open: None,
            on_half_open: None,
            on_close: None,
        }
    }

    /// Sets all numbers at once.
    pub fn rules(mut self, rules: BreakerRules) -> Self {
        self.rules = rules;
        self
    }

    /// Failed calls of the window at which it opens, in percent, 1 to 100. Default: 30.
    pub fn failure_threshold_percent(mut self, percent: u32) -> Self {
        self.rules.failure_percent = percent;
        self
    }

    /// Calls that the window must have before any share of them counts. Default: 5.
    pub fn minimum_requests(mut self, calls: u32) -> Self {
        self.rules.minimum_calls = calls;
        self
    }

    /// How far back calls count. Default: 30 s.
    pub fn window(mut self, window: Duration) -> Self {
        self.rules.window = window;
        self
    }

    /// How long it stays open. Default: 60 s.
    pub fn reset_timeout(mut self, reset: Duration) -> Self {
        self.rules.reset = reset;
        self
    }

    /// Calls that go through in half-open. Default: 3.
    pub fn probes(mut self, probes: u32) -> Self {
        self.rules.probes = probes;
        self
    }

    /// The longest that [`Breaker::execute`] waits for one call. Default: as long as it
    /// takes.
    pub fn request_timeout(mut self, time: Duration) -> Self {
        self.request_timeout = Some(time);
        self
    }

    /// Which errors are failures; all others count as successes. Default: those about the
    /// provider ([`Error::is_about_provider`]).
    pub fn is_failure(mut self, test: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.is_failure = Arc::new(test);
        self
    }

    /// Called each time that it opens; outside the lock, on the task whose call opened it.
    pub fn on_open(mut self, callback: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_open = Some(Arc::new(callback));
        self
    }

    /// Called each time that it becomes half-open: as the first probe goes through.
    pub fn on_half_open(mut self, callback: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_half_open = Some(Arc::new(callback));
        self
    }

    /// Called each time that it closes.
    pub fn on_close(mut self, callback: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_close = Some(Arc::new(callback));
        self
    }

    /// Replaces the machine's clock; only its monotonic time is read.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes it, closed.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`], with every number that is out of range.
    pub fn build(self) -> Result<Breaker> {
        let rules = &self.rules;
        let wrong: Vec<_> = [
            (
                !(1..=100).contains(&rules.failure_percent),
                "failure percent must be 1 to 100",
            ),
            (rules.minimum_calls == 0, "minimum calls must be at least 1"),
            (rules.probes == 0, "probes must be at least 1"),
            (rules.window.is_zero(), "the window must not be zero"),
            (rules.reset.is_zero(), "the reset time must not be zero"),
        ]
        .into_iter()
        .filter_map(|(is_wrong, what)| is_wrong.then_some(what))
        .collect();
        if !wrong.is_empty() {
            return Err(
                Error::invalid(format!("make a breaker: {}", wrong.join(", ")))
                    .with("breaker", &self.name),
            );
        }
        Ok(Breaker(Arc::new(Inner {
            machine: Mutex::new(Machine::new(rules)),
            name: self.name,
            rules: self.rules,
            request_timeout: self.request_timeout,
            clock: self.clock,
            is_failure: self.is_failure,
            on_open: self.on_open,
            on_half_open: self.on_half_open,
            on_close: self.on_close,
        })))
    }
}

impl fmt::Debug for BreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BreakerBuilder({}, {:?})", self.name, self.rules)
    }
}
