//! What the path wants to know, with the defaults of the design.

use std::time::Duration;

use zupa_core::{Burst, Digest};

/// What the agent is and says.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name, for logs and audit.
    pub name: String,
    /// Its instructions: the system message of every prompt. Empty: none.
    pub prompt: String,
    /// How many earlier lines of the conversation the model sees. Default: 20.
    pub history: usize,
    /// When messages in quick succession are answered together. Default: off.
    pub burst: Burst,
    /// What a person hears when a message of theirs is given up. Empty: nothing.
    pub fallback: String,
}

impl Agent {
    /// An agent with instructions and the defaults for all else.
    pub fn new(name: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            prompt: prompt.into(),
            history: 20,
            burst: Burst::default(),
            fallback: "Sorry, I could not answer that. Please try again in other words.".into(),
        }
    }
}

/// Limits and times of the path.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Turns that may be in flight at once. Default: 2,048.
    pub turns_in_flight: usize,
    /// Open inbounds beyond which doors are told to come back. Default: 100,000.
    pub backlog: u64,
    /// Longest text of a message, in bytes. Default: 65,536.
    pub payload_bytes: usize,
    /// Longest life of one run of a turn. Default: 120 s.
    pub turn_timeout: Duration,
    /// Longest model call. Default: 30 s.
    pub model_timeout: Duration,
    /// Longest send. Default: 10 s.
    pub channel_timeout: Duration,
    /// Longest wait of a door for the store. Default: 5 s.
    pub store_timeout: Duration,
    /// How often the process says that it lives. Default: 2 s.
    pub heartbeat: Duration,
    /// How long a claim holds without a sign of life. Default: 10 s.
    pub claim_expiry: Duration,
    /// How often the store is asked for what hints may have missed. Default: 1 s.
    pub poll: Duration,
    /// Failures after which a turn gives up. Default: 3.
    pub retries: u32,
    /// First delay of a retry; doubles with each. Default: 1 s.
    pub retry_base: Duration,
    /// Longest delay of a retry, unless a server asks for more. Default: 30 s.
    pub retry_cap: Duration,
    /// How long a send in doubt waits for evidence. Default: 60 s.
    pub doubt: Duration,
    /// Attempts after which a delivery fails. Default: 8.
    pub delivery_attempts: u32,
    /// How long a platform id is remembered. Default: 14 days.
    pub dedupe_retention: Duration,
    /// How long raw payloads are kept. Default: 14 days.
    pub raw_retention: Duration,
    /// Digest of the configuration in force, for the audit.
    pub config: Digest,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            turns_in_flight: 2_048,
            backlog: 100_000,
            payload_bytes: 65_536,
            turn_timeout: Duration::from_secs(120),
            model_timeout: Duration::from_secs(30),
            channel_timeout: Duration::from_secs(10),
            store_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(2),
            claim_expiry: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            retries: 3,
            retry_base: Duration::from_secs(1),
            retry_cap: Duration::from_secs(30),
            doubt: Duration::from_secs(60),
            delivery_attempts: 8,
            dedupe_retention: 14 * DAY,
            raw_retention: 14 * DAY,
            config: Digest::default(),
        }
    }
}
