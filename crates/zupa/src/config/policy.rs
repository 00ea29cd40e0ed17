//! Deadlines and retries per port: `[policy.*]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One policy per port, `[policy.*]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Calls of the model, `[policy.model]`.
    pub model: ModelPolicy,
    /// Calls of a tool, `[policy.tool]`, with a breaker for each tool. Defaults: 10000 ms,
    /// 3 retries.
    pub tool: RetriedPolicy,
    /// Calls of single tools, by name, `[policy.tools.NAME]`. What one leaves open is as in
    /// `[policy.tool]`. None by default.
    pub tools: BTreeMap<String, RetriedPolicy>,
    /// Calls that turn speech into text, `[policy.transcriber]`. Defaults: 15000 ms, 1
    /// retry.
    pub transcriber: RetriedPolicy,
    /// Calls that turn text into speech, `[policy.synthesizer]`. Defaults: 15000 ms, 1
    /// retry.
    pub synthesizer: RetriedPolicy,
    /// Calls of the store, `[policy.store]`. Default 5000 ms;
    /// `ZUPA__POLICY__STORE__TIMEOUT_MS`.
    pub store: CallPolicy,
    /// Sends of a channel, `[policy.channel]`.
    pub channel: ChannelPolicy,
    /// A whole turn, `[policy.turn]`.
    pub turn: TurnPolicy,
}

impl Default for Policies {
    fn default() -> Self {
        let speech = RetriedPolicy {
            timeout_ms: 15_000,
            retries: 1,
            ..RetriedPolicy::default()
        };
        Self {
            model: ModelPolicy::default(),
            tool: RetriedPolicy::default(),
            tools: BTreeMap::new(),
            transcriber: speech.clone(),
            synthesizer: speech,
            store: CallPolicy { timeout_ms: 5_000 },
            channel: ChannelPolicy::default(),
            turn: TurnPolicy::default(),
        }
    }
}

/// How the model is called, `[policy.model]`. Variables: `ZUPA__POLICY__MODEL__*`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelPolicy {
    /// Milliseconds of one try. Default 30000.
    pub timeout_ms: u64,
    /// Milliseconds of all tries of a call, waits included. Default: twice `timeout_ms`.
    pub total_timeout_ms: Option<u64>,
    /// Milliseconds until connected. Default 5000.
    pub connect_timeout_ms: u64,
    /// Milliseconds until the first byte of the answer. Default 20000.
    pub first_byte_timeout_ms: u64,
    /// Milliseconds between two pieces of the answer. Default 15000.
    pub idle_timeout_ms: u64,
    /// Tries after the first. Default 3.
    pub retries: u32,
    /// Milliseconds before the first retry, doubled for each further one. Default 1000.
    pub base_ms: u64,
    /// Milliseconds before a retry at most. Default 30000.
    pub cap_ms: u64,
    /// How much of a wait is left to chance. Default: all of it.
    pub jitter: Jitter,
    /// Retries, as a share of the calls of the last 30 s. Default 0.1.
    pub budget: f64,
    /// The breaker.
    pub breaker: Breaker,
}

impl Default for ModelPolicy {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            total_timeout_ms: None,
            connect_timeout_ms: 5_000,
            first_byte_timeout_ms: 20_000,
            idle_timeout_ms: 15_000,
            retries: 3,
            base_ms: 1_000,
            cap_ms: 30_000,
            jitter: Jitter::default(),
            budget: 0.1,
            breaker: Breaker::default(),
        }
    }
}

/// How a port is called that is tried again within the turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetriedPolicy {
    /// Milliseconds of one try. Default by port, see [`Policies`].
    pub timeout_ms: u64,
    /// Milliseconds of all tries of a call, waits included. Default: twice `timeout_ms`.
    pub total_timeout_ms: Option<u64>,
    /// Tries after the first, of calls that are repeatable. Default by port.
    pub retries: u32,
    /// Milliseconds before the first retry, doubled for each further one. Default 1000.
    pub base_ms: u64,
    /// Milliseconds before a retry at most. Default 30000.
    pub cap_ms: u64,
    /// How much of a wait is left to chance. Default: all of it.
    pub jitter: Jitter,
    /// Retries, as a share of the calls of the last 30 s. Default 0.1.
    pub budget: f64,
    /// The breaker.
    pub breaker: Breaker,
}

impl Default for RetriedPolicy {
    fn default() -> Self {
        Self {
            timeout_ms: 10_000,
            total_timeout_ms: None,
            retries: 3,
            base_ms: 1_000,
            cap_ms: 30_000,
            jitter: Jitter::default(),
            budget: 0.1,
            breaker: Breaker::default(),
        }
    }
}

/// How a channel is sent to, `[policy.channel]`. A send is tried once; the outbox tries
/// again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelPolicy {
    /// Milliseconds of one send. Default 10000.
    pub timeout_ms: u64,
    /// Milliseconds before a message is tried again, doubled for each further time.
    /// Default 1000.
    pub base_ms: u64,
    /// Milliseconds before a message is tried again at most. Default 30000.
    pub cap_ms: u64,
    /// How much of a wait is left to chance. Default: all of it.
    pub jitter: Jitter,
    /// The breaker, one for each channel.
    pub breaker: Breaker,
}

impl Default for ChannelPolicy {
    fn default() -> Self {
        Self {
            timeout_ms: 10_000,
            base_ms: 1_000,
            cap_ms: 30_000,
            jitter: Jitter::default(),
            breaker: Breaker::default(),
        }
    }
}

/// How a turn runs, and runs again, `[policy.turn]`. Variables: `ZUPA__POLICY__TURN__*`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnPolicy {
    /// Milliseconds of one run. Default 120000.
    pub timeout_ms: u64,
    /// Runs after one that failed, before the turn gives up. Default 3.
    pub retries: u32,
    /// Milliseconds before the first of them, doubled for each further one. Default 1000.
    pub base_ms: u64,
    /// Milliseconds before one of them at most. Default 30000.
    pub cap_ms: u64,
    /// How much of a wait is left to chance. Default: all of it.
    pub jitter: Jitter,
}

impl Default for TurnPolicy {
    fn default() -> Self {
        Self {
            timeout_ms: 120_000,
            retries: 3,
            base_ms: 1_000,
            cap_ms: 30_000,
            jitter: Jitter::default(),
        }
    }
}

/// How much of a wait is left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Jitter {
    /// All of it: `full`.
    Full(Full),
    /// This share of it, 0 to 1.
    Ratio(f64),
}

/// The word `full`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Full {
    /// It.
    Full,
}

impl Default for Jitter {
    fn default() -> Self {
        Self::Full(Full::Full)
    }
}

/// When calls that keep failing are not made for a while, `[policy.*.breaker]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Whether there is one. Default true.
    pub enabled: bool,
    /// Failed calls of the window at which it opens, in percent. Default 30.
    pub failure_percent: u32,
    /// Calls that the window must have before any share of them counts. Default 5.
    pub minimum_calls: u32,
    /// Milliseconds that calls count. Default 30000.
    pub window_ms: u64,
    /// Milliseconds that it stays open. Default 60000.
    pub reset_ms: u64,
    /// Calls that go through then, all of which must succeed. Default 3.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_percent: 30,
            minimum_calls: 5,
            window_ms: 30_000,
            reset_ms: 60_000,
            probes: 3,
        }
    }
}

/// How a port without retries is called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallPolicy {
    /// Milliseconds until the call is given up. Default by port, see
    /// [`Policies`].
    pub timeout_ms: u64,
}
