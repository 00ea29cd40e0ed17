//! What a policy is told: times, tries and the breaker, by port.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::backoff::Backoff;
use super::super::breaker::BreakerRules;

/// How the calls of one port, or of one tool, are made.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPolicy {
    /// The longest that one try takes.
    pub timeout: Duration,
    /// The longest that all tries of a call take, waits included. None: two timeouts.
    pub total_timeout: Option<Duration>,
    /// Tries after the first. Default: 3.
    pub retries: u32,
    /// The waits between them.
    pub backoff: Backoff,
    /// Retries, as a share of the calls of the last 30 s, from 0 to 1. Default: 0.1.
    pub budget: f64,
    /// The breaker; none: calls are made however many fail.
    pub breaker: Option<BreakerRules>,
}

impl CallPolicy {
    /// The defaults, with a timeout.
    pub fn of(timeout: Duration) -> Self {
        Self {
            timeout,
            total_timeout: None,
            retries: 3,
            backoff: Backoff::default(),
            budget: 0.1,
            breaker: Some(BreakerRules::default()),
        }
    }

    /// One try, and nothing but its timeout.
    pub fn once(timeout: Duration) -> Self {
        Self {
            retries: 0,
            breaker: None,
            ..Self::of(timeout)
        }
    }

    /// The longest that all tries of a call take.
    pub fn total(&self) -> Duration {
        let total = self.total_timeout;
        total.unwrap_or(self.timeout.saturating_mul(2))
    }
}

/// How a turn that failed runs again. Its row carries the wait, so nobody sleeps on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnRetries {
    /// Runs after the first that failed, before the turn gives up. What its provider is to
    /// blame for does not count. Default: 3.
    pub retries: u32,
    /// The waits between them, also of those that do not count.
    pub backoff: Backoff,
}

impl Default for TurnRetries {
    fn default() -> Self {
        Self {
            retries: 3,
            backoff: Backoff::default(),
        }
    }
}

/// One policy for each port.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    /// The model. Default: 30 s for one try.
    pub model: CallPolicy,
    /// Tools, one breaker for each. Default: 10 s for one try.
    pub tool: CallPolicy,
    /// Tools that are called otherwise, by their names.
    pub tools: BTreeMap<String, CallPolicy>,
    /// Speech into text. Default: 15 s for one try, of which there are two.
    pub transcriber: CallPolicy,
    /// Text into speech. Default: as the transcriber.
    pub synthesizer: CallPolicy,
    /// Channels, one breaker for each. A send is tried once: the outbox tries again, after
    /// the waits of `backoff`. Default: 10 s.
    pub channel: CallPolicy,
    /// The store, without a breaker: there is no other one. Default: 5 s.
    pub store: CallPolicy,
    /// Turns that failed: their rows are tried again.
    pub turn: TurnRetries,
}

impl Default for Policies {
    fn default() -> Self {
        let secs = Duration::from_secs;
        // Whoever is not heard is asked for text: sooner is better than perhaps.
        let speech = CallPolicy {
            retries: 1,
            ..CallPolicy::of(secs(15))
        };
        Self {
            model: CallPolicy::of(secs(30)),
            tool: CallPolicy::of(secs(10)),
            tools: BTreeMap::new(),
            transcriber: speech.clone(),
            synthesizer: speech,
            channel: CallPolicy {
                retries: 0,
                ..CallPolicy::of(secs(10))
            },
            store: CallPolicy::once(secs(5)),
            turn: TurnRetries::default(),
        }
    }
}

impl Policies {
    /// How a tool is called.
    pub fn of_tool(&self, name: &str) -> &CallPolicy {
        self.tools.get(name).unwrap_or(&self.tool)
    }
}
