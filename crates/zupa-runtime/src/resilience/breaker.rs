//! A circuit breaker: calls that keep failing are not made for a while.
//!
//! *Closed*, every call goes through, and its end is counted in a sliding window. Once
//! enough of enough calls have failed it is *open*: calls are refused at once. After its
//! reset time it is *half-open*: exactly so many probes go through, and the rest is still
//! refused. When all of them have succeeded it closes; the first that fails opens it again.
//!
//! Each change begins a new generation, and a call that ends in a later generation than it
//! began in counts nothing: what went out before says nothing of now. A probe is an owned
//! [`Permit`], free again when it is dropped without an answer, on every path.
//!
//! It is usable on its own:
//!
//! ```
//! use std::time::Duration;
//!
//! use zupa_core::{Error, ErrorKind, Result};
//! use zupa_runtime::resilience::{Breaker, BreakerState};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let breaker = Breaker::builder("agenda")
//!     .failure_threshold_percent(50)
//!     .minimum_requests(2)
//!     .window(Duration::from_secs(30))
//!     .reset_timeout(Duration::from_secs(60))
//!     .probes(1)
//!     .request_timeout(Duration::from_secs(5))
//!     .on_open(|| println!("the agenda is left alone for a minute"))
//!     .build()?;
//!
//! let down = || async { Err::<(), _>(Error::new(ErrorKind::Unavailable, "ask the agenda")) };
//! for _ in 0..2 {
//!     let _ = breaker.execute(down()).await;
//! }
//! assert_eq!(breaker.metrics().state, BreakerState::Open);
//!
//! // Refused, without a call.
//! let refused = breaker.execute(async { Ok(()) }).await;
//! assert!(refused.is_err_and(|error| error.is_transient()));
//!
//! breaker.reset();
//! assert!(breaker.execute(async { Ok(()) }).await.is_ok());
//! # Ok(())
//! # }
//! ```

mod builder;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zupa_core::{Clock, Error, ErrorKind, Outcome, Result, Retry};

pub use self::builder::{BreakerBuilder, BreakerRules};
use self::state::{Change, End, Machine};

/// How long those are told to wait who come while all probes are out.
const UNTIL_PROBED: Duration = Duration::from_secs(1);

/// A circuit breaker. Clones are the same breaker.
#[derive(Clone)]
pub struct Breaker(Arc<Inner>);

type Test = Arc<dyn Fn(&Error) -> bool + Send + Sync>;
type Callback = Arc<dyn Fn() + Send + Sync>;

struct Inner {
    name: String,
    rules: BreakerRules,
    request_timeout: Option<Duration>,
    clock: Arc<dyn Clock>,
    is_failure: Test,
    on_open: Option<Callback>,
    on_half_open: Option<Callback>,
    on_close: Option<Callback>,
    machine: Mutex<Machine>,
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All do.
    Closed,
    /// None does.
    Open,
    /// Probes do.
    HalfOpen,
}

impl BreakerState {
    /// A stable name for metrics and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What a breaker has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerMetrics {
    /// Whether calls go through now.
    pub state: BreakerState,
    /// Calls that ended within the window.
    pub recent_calls: u64,
    /// Those of them that failed.
    pub recent_failures: u64,
    /// Failed calls of the window, in percent; none without calls.
    pub failure_percent: Option<f64>,
    /// Since the start, or the last [`Breaker::reset`].
    pub totals: BreakerTotals,
    /// Until a probe goes through; none while it is closed, and none while it is held
    /// open by hand.
    pub next_probe_in: Option<Duration>,
}

/// What a breaker has seen in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BreakerTotals {
    /// Calls that succeeded.
    pub succeeded: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were dropped before their end.
    pub cancelled: u64,
    /// Calls that ended in a later generation than they began in; none of the above.
    pub late: u64,
    /// Calls that were not made.
    pub refused: u64,
    /// Times that it opened.
    pub opened: u64,
}

/// The right to make one call. Dropped without an answer it counts nothing, and a probe is
/// free again.
#[derive(Debug)]
#[must_use = "a call without its permit is not counted"]
pub struct Permit {
    breaker: Breaker,
    generation: u64,
    ended: bool,
}

impl Breaker {
    /// Begins a breaker with the defaults: 30 % of at least 5 calls in 30 s, reset after
    /// 60 s, 3 probes; an error about the provider is a failure.
    pub fn builder(name: impl Into<String>) -> BreakerBuilder {
        BreakerBuilder::new(name.into())
    }

    /// What it is called in metrics and errors.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Makes a call, if one may be made now.
    ///
    /// *Errors*: those of the call; [`ErrorKind::Timeout`] after the request timeout;
    /// [`ErrorKind::Unavailable`], [`Outcome::NotApplied`] and the time of the next probe in
    /// [`Retry::After`] when it is open.
    /// *Cancel safety*: as the call; a probe is free again.
    pub async fn execute<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let permit = self.permit()?;
        let answer = match self.0.request_timeout {
            Some(time) => tokio::time::timeout(time, call)
                .await
                .unwrap_or_else(|_elapsed| Err(self.late(time))),
            None => call.await,
        };
        permit.answered(&answer);
        answer
    }

    /// The right to one call that is to be made now.
    ///
    /// *Errors*: as [`Self::execute`] when it is open.
    pub fn permit(&self) -> Result<Permit> {
        let now = self.0.clock.monotonic();
        let (admitted, change) = self.lock().admit(&self.0.rules, now);
        self.call_back(change);
        let generation = admitted.map_err(|wait| self.refusal(wait))?;
        Ok(Permit {
            breaker: self.clone(),
            generation,
            ended: false,
        })
    }

    /// True if a call would be let through now. Asking is no call: it counts nothing, takes
    /// no probe and changes no state.
    pub fn admits(&self) -> bool {
        let now = self.0.clock.monotonic();
        self.lock().refuses(&self.0.rules, now).is_none()
    }

    /// What it has seen.
    pub fn metrics(&self) -> BreakerMetrics {
        let now = self.0.clock.monotonic();
        self.lock().metrics(now)
    }

    /// Opens it by hand. It stays open until [`Self::close`] or [`Self::reset`].
    pub fn open(&self) {
        let change = self.lock().open_by_hand();
        self.call_back(change);
    }

    /// Closes it by hand and forgets the window.
    pub fn close(&self) {
        let change = self.lock().close();
        self.call_back(change);
    }

    /// As new: closed, and without memory.
    pub fn reset(&self) {
        let change = {
            let mut machine = self.lock();
            let change = machine.close();
            machine.forget_totals();
            change
        };
        self.call_back(change);
    }

    fn end(&self, generation: u64, end: End) {
        let now = self.0.clock.monotonic();
        let change = self.lock().end(&self.0.rules, now, generation, end);
        self.call_back(change);
    }

    /// Never under the lock: whoever is called back may ask the breaker.
    fn call_back(&self, change: Option<Change>) {
        let callback = match change {
            Some(Change::Opened) => &self.0.on_open,
            Some(Change::HalfOpened) => &self.0.on_half_open,
            Some(Change::Closed) => &self.0.on_close,
            None => return,
        };
        if let Some(callback) = callback {
            callback();
        }
    }

    /// True where a breaker let no further call through: the time to come again is ours,
    /// not the other side's.
    pub(crate) fn has_refused(error: &Error) -> bool {
        let mut context = error.context().iter();
        context.any(|(key, _)| *key == "breaker")
    }

    fn refusal(&self, wait: Option<Duration>) -> Error {
        let wait = wait.unwrap_or(self.0.rules.reset);
        Error::new(
            ErrorKind::Unavailable,
            "too many calls have failed, so none is made for a while",
        )
        .with("breaker", &self.0.name)
        .with_retry(Retry::After(wait))
        .with_outcome(Outcome::NotApplied)
    }

    fn late(&self, time: Duration) -> Error {
        Error::new(ErrorKind::Timeout, "no answer in time")
            .with("breaker", &self.0.name)
            .with("waited", format!("{time:?}"))
            .with_retry(Retry::Now)
            .with_outcome(Outcome::Unknown)
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        let machine = self.0.machine.lock();
        machine.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The call has ended so. An error counts as a failure if the breaker's test says so.
    pub fn answered<T>(mut self, answer: &Result<T>) {
        let failed = |error: &Error| (self.breaker.0.is_failure)(error);
        let end = match answer {
            Err(error) if failed(error) => End::Failed,
            _ => End::Succeeded,
        };
        self.ended = true;
        self.breaker.end(self.generation, end);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.end(self.generation, End::Cancelled);
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.metrics().state.as_str();
        write!(f, "Breaker({}, {state})", self.0.name)
    }
}
