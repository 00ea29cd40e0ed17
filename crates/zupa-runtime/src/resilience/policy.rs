//! The one way to make a call that may fail: budget → breaker → timeout → retry.
//!
//! What limits how many calls there are at all (rates, turns in flight) has had its say
//! before a turn runs. Here, in this order:
//!
//! 1. the *budget* counts the call, and a retry is only made if one is left;
//! 2. the *breaker* is asked before each try, so that exactly its probes reach a provider
//!    that is being tried out, whoever else is retrying;
//! 3. each try has its *timeout*, all of them together the total one and the caller's;
//! 4. after an error that may pass, a call that is repeatable is tried *again*, after a
//!    wait that the error may lengthen.
//!
//! Dropping the future cancels the call and frees its permit.

mod rules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use zupa_core::{Clock, EffectClass, Error, ErrorKind, Ids, Outcome, Result, Retry};

pub use self::rules::{CallPolicy, Policies, TurnRetries};
use super::breaker::{Breaker, BreakerState, Permit};
use super::budget::Budget;

/// How one port, or one tool, is called.
#[derive(Debug)]
pub struct Policy {
    name: String,
    rules: CallPolicy,
    budget: Budget,
    breaker: Option<Breaker>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    on_retry: Option<OnRetry>,
}

/// Told of a try that failed, and of the wait before the next.
struct OnRetry(Box<Told>);

type Told = dyn Fn(&Error, Duration) + Send + Sync;

/// Whether a call may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing, or whoever is called knows a repeat by its key.
    Safe,
    /// Nobody knows what a second one would do.
    Never,
}

impl From<EffectClass> for Repeat {
    fn from(class: EffectClass) -> Self {
        match class {
            EffectClass::Pure | EffectClass::Idempotent => Self::Safe,
            EffectClass::Reconcile | EffectClass::AtMostOnce => Self::Never,
        }
    }
}

/// What is particular to one call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Whether it may be made twice.
    pub repeat: Repeat,
    /// What the caller has left for it, waits included.
    pub within: Duration,
    /// The longest that waits between tries may take together; what comes later is the
    /// caller's, who then finds the error's own [`Retry`] unchanged. None: as long as the
    /// rest allows, and then [`Retry::Exhausted`].
    pub patience: Option<Duration>,
    /// Asked before each further try.
    pub may_go_on: &'a (dyn Fn() -> bool + Send + Sync),
}

impl Call<'_> {
    /// A call that has this long.
    pub fn within(repeat: Repeat, within: Duration) -> Self {
        Self {
            repeat,
            within,
            patience: None,
            may_go_on: &|| true,
        }
    }
}

impl Policy {
    /// A policy with a breaker of its own, which is called as the policy is and counts
    /// what `is_failure` says.
    ///
    /// *Errors*: [`ErrorKind::Invalid`] for a breaker whose rules make no sense.
    pub fn new(
        name: impl Into<String>,
        rules: CallPolicy,
        is_failure: fn(&Error) -> bool,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self> {
        Self::telling(name.into(), rules, is_failure, clock, ids, |_| {})
    }

    /// The same, where somebody is told how the breaker has changed.
    pub(crate) fn telling(
        name: String,
        rules: CallPolicy,
        is_failure: fn(&Error) -> bool,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        changed: impl Fn(BreakerState) + Send + Sync + 'static,
    ) -> Result<Self> {
        let changed = Arc::new(changed);
        let tell = |state: BreakerState| {
            let (name, changed) = (name.clone(), changed.clone());
            move || {
                warn!(
                    breaker = name,
                    state = state.as_str(),
                    "a breaker has changed"
                );
                changed(state);
            }
        };
        let breaker = match &rules.breaker {
            Some(breaker) => Some(
                Breaker::builder(&name)
                    .rules(breaker.clone())
                    .is_failure(is_failure)
                    .clock(clock.clone())
                    .on_open(tell(BreakerState::Open))
                    .on_half_open(tell(BreakerState::HalfOpen))
                    .on_close(tell(BreakerState::Closed))
                    .build()?,
            ),
            None => None,
        };
        Ok(Self {
            budget: Budget::new(rules.budget, clock.clone()),
            name,
            rules,
            breaker,
            clock,
            ids,
            on_retry: None,
        })
    }

    /// Tells of each try that failed and is made again: its error, and the wait before the
    /// next.
    pub fn on_retry(mut self, told: impl Fn(&Error, Duration) + Send + Sync + 'static) -> Self {
        self.on_retry = Some(OnRetry(Box::new(told)));
        self
    }

    /// The longest that one try takes.
    pub fn timeout(&self) -> Duration {
        self.rules.timeout
    }

    /// Its breaker, unless it has none.
    pub fn breaker(&self) -> Option<&Breaker> {
        self.breaker.as_ref()
    }

    /// Makes a call, as often as it takes and as the policy allows. `attempt` is told how
    /// long this try has.
    ///
    /// *Errors*: the last one of the call; [`ErrorKind::Timeout`] for a try without an
    /// answer; the breaker's ([`Breaker::execute`]) if no try was made. An earlier try of
    /// which nobody knows how it ended makes the outcome [`Outcome::Unknown`].
    /// *Cancel safety*: as `attempt`.
    pub async fn call<T, F>(
        &self,
        call: Call<'_>,
        mut attempt: impl FnMut(Duration) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let began = self.clock.monotonic();
        let within = call.within.min(self.rules.total());
        let left = || within.saturating_sub(self.clock.monotonic().saturating_sub(began));
        let mut tries = Tries::default();
        self.budget.called();
        loop {
            let time = self.rules.timeout.min(left());
            if time.is_zero() {
                return Err(tries.given_up(self.no_time()));
            }
            let permit = match self.permit() {
                Ok(permit) => permit,
                Err(refusal) => return Err(tries.refused(refusal, &self.name)),
            };
            let error = match self.once(permit, time, attempt(time)).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            tries.count += 1;
            match self.next(&call, &tries, &error, left()) {
                Next::After(wait) => {
                    if let Some(OnRetry(tell)) = &self.on_retry {
                        tell(&error, wait);
                    }
                    tries.failed(error, wait);
                    // Cancel safe: nothing is under way.
                    tokio::time::sleep(wait).await;
                }
                Next::Exhausted if call.patience.is_none() => {
                    return Err(tries.given_up(error.with_retry(Retry::Exhausted)));
                }
                Next::Exhausted | Next::Caller => return Err(tries.given_up(error)),
            }
        }
    }

    /// The right to one call of [`Self::once`]; none where there is no breaker to ask.
    ///
    /// *Errors*: as [`Breaker::permit`].
    pub fn permit(&self) -> Result<Option<Permit>> {
        self.breaker.as_ref().map(Breaker::permit).transpose()
    }

    /// Makes a call once, with a permit that was taken before.
    ///
    /// *Errors*: those of the call; [`ErrorKind::Timeout`] after `time`.
    /// *Cancel safety*: as the call; the permit is free again.
    pub async fn once<T>(
        &self,
        permit: Option<Permit>,
        time: Duration,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let answer = tokio::time::timeout(time, call).await;
        let answer = answer.unwrap_or_else(|_elapsed| Err(self.late(time)));
        if let Some(permit) = permit {
            permit.answered(&answer);
        }
        answer
    }

    fn next(&self, call: &Call<'_>, tries: &Tries, error: &Error, left: Duration) -> Next {
        let repeats = call.repeat == Repeat::Safe
            && error.is_transient()
            && error.outcome() != Outcome::Applied;
        if !repeats {
            return Next::Caller;
        }
        if tries.count > self.rules.retries {
            return Next::Exhausted;
        }
        let random = self.ids.random();
        let wait = self.rules.backoff.delay(tries.count, error.retry(), random);
        // A try that could not begin is not waited for.
        if wait >= left {
            return Next::Exhausted;
        }
        let patience = call.patience.unwrap_or(Duration::MAX);
        if tries.waited + wait > patience || !(call.may_go_on)() {
            return Next::Caller;
        }
        if self.budget.may_retry() {
            Next::After(wait)
        } else {
            Next::Exhausted
        }
    }

    fn late(&self, time: Duration) -> Error {
        Error::new(ErrorKind::Timeout, "no answer in time")
            .with("call", &self.name)
            .with("waited", format!("{time:?}"))
            .with_retry(Retry::Now)
            .with_outcome(Outcome::Unknown)
    }

    fn no_time(&self) -> Error {
        Error::new(ErrorKind::Timeout, "no time was left for a call")
            .with("call", &self.name)
            .with_retry(Retry::Exhausted)
            .with_outcome(Outcome::NotApplied)
    }
}

enum Next {
    /// Another try, after this wait.
    After(Duration),
    /// The policy allows none.
    Exhausted,
    /// Whatever comes next is the caller's.
    Caller,
}

/// The tries of one call so far.
#[derive(Default)]
struct Tries {
    count: u32,
    waited: Duration,
    last: Option<Error>,
    /// Nobody knows how one of them ended.
    uncertain: bool,
}

impl Tries {
    fn failed(&mut self, error: Error, wait: Duration) {
        self.uncertain |= error.said_outcome() != Some(Outcome::NotApplied);
        self.waited += wait;
        self.last = Some(error);
    }

    /// The breaker has opened: what is known of the call is how its last try failed.
    fn refused(&mut self, refusal: Error, breaker: &str) -> Error {
        let error = match self.last.take() {
            Some(last) => last.with_retry(refusal.retry()).with("breaker", breaker),
            None => refusal,
        };
        self.given_up(error)
    }

    fn given_up(&self, error: Error) -> Error {
        if self.uncertain && error.said_outcome() == Some(Outcome::NotApplied) {
            return error.with_outcome(Outcome::Unknown);
        }
        error
    }
}

impl fmt::Debug for OnRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRetry")
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({:?}, within {:?})", self.repeat, self.within)
    }
}
