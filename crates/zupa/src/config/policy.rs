//! Deadlines and retries per port: `[policy.*]`.

use serde::{Deserialize, Serialize};

/// One policy per port, `[policy.*]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Calls of the model, `[policy.model]`.
    pub model: ModelPolicy,
    /// Calls of a tool, `[policy.tool]`. Default 10000 ms;
    /// `ZUPA__POLICY__TOOL__TIMEOUT_MS`.
    pub tool: CallPolicy,
    /// Calls that turn speech into text, `[policy.transcriber]`. Default
    /// 15000 ms; `ZUPA__POLICY__TRANSCRIBER__TIMEOUT_MS`.
    pub transcriber: CallPolicy,
    /// Calls that turn text into speech, `[policy.synthesizer]`. Default
    /// 15000 ms; `ZUPA__POLICY__SYNTHESIZER__TIMEOUT_MS`.
    pub synthesizer: CallPolicy,
    /// Calls of the store, `[policy.store]`. Default 5000 ms;
    /// `ZUPA__POLICY__STORE__TIMEOUT_MS`.
    pub store: CallPolicy,
    /// Sends of a channel, `[policy.channel]`. Default 10000 ms;
    /// `ZUPA__POLICY__CHANNEL__TIMEOUT_MS`.
    pub channel: CallPolicy,
    /// A whole turn, `[policy.turn]`. Default 120000 ms;
    /// `ZUPA__POLICY__TURN__TIMEOUT_MS`.
    pub turn: CallPolicy,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            model: ModelPolicy::default(),
            tool: CallPolicy { timeout_ms: 10_000 },
            transcriber: CallPolicy { timeout_ms: 15_000 },
            synthesizer: CallPolicy { timeout_ms: 15_000 },
            store: CallPolicy { timeout_ms: 5_000 },
            channel: CallPolicy { timeout_ms: 10_000 },
            turn: CallPolicy {
                timeout_ms: 120_000,
            },
        }
    }
}

/// How the model is called, `[policy.model]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelPolicy {
    /// Milliseconds of one try. Default 30000;
    /// `ZUPA__POLICY__MODEL__TIMEOUT_MS`.
    pub timeout_ms: u64,
    /// Milliseconds until connected. Default 5000;
    /// `ZUPA__POLICY__MODEL__CONNECT_TIMEOUT_MS`.
    pub connect_timeout_ms: u64,
    /// Milliseconds until the first byte of the answer. Default 20000;
    /// `ZUPA__POLICY__MODEL__FIRST_BYTE_TIMEOUT_MS`.
    pub first_byte_timeout_ms: u64,
    /// Milliseconds between two pieces of the answer. Default 15000;
    /// `ZUPA__POLICY__MODEL__IDLE_TIMEOUT_MS`.
    pub idle_timeout_ms: u64,
    /// Tries after the first. Default 3; `ZUPA__POLICY__MODEL__RETRIES`.
    pub retries: u32,
    /// Milliseconds before the first retry, doubled for each further one.
    /// Default 1000; `ZUPA__POLICY__MODEL__BASE_MS`.
    pub base_ms: u64,
    /// Milliseconds before a retry at most. Default 30000;
    /// `ZUPA__POLICY__MODEL__CAP_MS`.
    pub cap_ms: u64,
}

impl Default for ModelPolicy {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            connect_timeout_ms: 5_000,
            first_byte_timeout_ms: 20_000,
            idle_timeout_ms: 15_000,
            retries: 3,
            base_ms: 1_000,
            cap_ms: 30_000,
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
