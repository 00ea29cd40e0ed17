//! What the path wants to know, with the defaults of the design.

use std::path::PathBuf;
use std::time::Duration;

use zupa_core::{Digest, Error, Price, Result};

use crate::resilience::Policies;

/// When results of effects are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JournalMode {
    /// Each before the next depends on it.
    #[default]
    Step,
    /// Results that change nothing outside, the model's among them, only when an effect
    /// that matters follows. Cheaper; a crash pays them again.
    Turn,
}

/// Limits and times of the path.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Turns that may be in flight at once. Default: 2,048.
    pub turns_in_flight: usize,
    /// Messages of one conversation that are answered in a minute; what is more ends as
    /// refused. 0: no limit. Default: 0. In this process.
    pub per_user_per_minute: u32,
    /// The same for all conversations of a tenant. Default: 0.
    pub per_tenant_per_minute: u32,
    /// Open inbounds beyond which doors are told to come back. Default: 100,000.
    pub backlog: u64,
    /// How long a person's message may wait for a turn, or would at the present pace,
    /// before doors are told to come back. 0: no limit. Default: 20 s.
    pub queue_age: Duration,
    /// How much of the processors that it is allowed the process may take, in percent,
    /// before doors are told to come back. 0: no limit. Default: 0.
    pub cpu_percent: u32,
    /// The same for the memory. Default: 90. Both need [`Builder::machine_load`].
    ///
    /// [`Builder::machine_load`]: crate::Builder::machine_load
    pub memory_percent: u32,
    /// Longest text of a message, in bytes. Default: 65,536.
    pub payload_bytes: usize,
    /// Longest life of one run of a turn. Default: 120 s.
    pub turn_timeout: Duration,
    /// How each port is called.
    pub policies: Policies,
    /// When results are recorded. Default: each before the next depends on it.
    pub journal: JournalMode,
    /// Rounds of tool calls in one turn, after which the model has to answer.
    /// Default: 8.
    pub tool_rounds: u32,
    /// Tokens that one turn may spend, prompt and answer, after which the model has to
    /// answer. 0: no limit. Default: 200,000.
    pub turn_tokens: u64,
    /// What the model's tokens cost. Default: nothing.
    pub price: Price,
    /// What the model may cost in one run of a turn, in millionths of the price's unit,
    /// after which it has to answer. 0: no limit. Default: 0.
    pub turn_cost_micros: u64,
    /// How often the process says that it lives. Default: 2 s.
    pub heartbeat: Duration,
    /// How long a claim holds without a sign of life. Default: 10 s.
    pub claim_expiry: Duration,
    /// How often the store is asked for what hints may have missed. Default: 1 s.
    pub poll: Duration,
    /// How often the store's log is moved into its main file while there is traffic.
    /// Default: 250 ms.
    pub checkpoint: Duration,
    /// How long a send in doubt waits for evidence. Default: 60 s.
    pub doubt: Duration,
    /// Attempts after which a delivery fails. Default: 8.
    pub delivery_attempts: u32,
    /// How long a platform id is remembered. Default: 14 days.
    pub dedupe_retention: Duration,
    /// How long raw payloads are kept. Default: 14 days.
    pub raw_retention: Duration,
    /// How long dead letters are kept after their end. Default: 7 days.
    pub dead_letter_retention: Duration,
    /// Pending dead letters from which on somebody is warned. Default: 100.
    pub dead_letter_alert: u64,
    /// Folder in which dead letters are written down before they are forgotten, with what
    /// people said. Default: they are only forgotten.
    pub dead_letter_export: Option<PathBuf>,
    /// How long a conversation may be due with nobody at work on it, before somebody is
    /// warned. Default: 5 min.
    pub stuck_after: Duration,
    /// Digest of the configuration in force, for the audit.
    pub config: Digest,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            turns_in_flight: 2_048,
            per_user_per_minute: 0,
            per_tenant_per_minute: 0,
            backlog: 100_000,
            queue_age: Duration::from_secs(20),
            cpu_percent: 0,
            memory_percent: 90,
            payload_bytes: 65_536,
            turn_timeout: Duration::from_secs(120),
            policies: Policies::default(),
            journal: JournalMode::Step,
            tool_rounds: 8,
            turn_tokens: 200_000,
            price: Price::default(),
            turn_cost_micros: 0,
            heartbeat: Duration::from_secs(2),
            claim_expiry: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            checkpoint: Duration::from_millis(250),
            doubt: Duration::from_secs(60),
            delivery_attempts: 8,
            dedupe_retention: 14 * DAY,
            raw_retention: 14 * DAY,
            dead_letter_retention: 7 * DAY,
            dead_letter_alert: 100,
            dead_letter_export: None,
            stuck_after: Duration::from_secs(5 * 60),
            config: Digest::default(),
        }
    }
}

impl Settings {
    /// What is done again and again is not done without a pause.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a period of nothing.
    pub(crate) fn check(&self) -> Result<()> {
        let periods = [
            ("heartbeat", self.heartbeat),
            ("poll", self.poll),
            ("checkpoint", self.checkpoint),
        ];
        match periods.iter().find(|(_, period)| period.is_zero()) {
            Some((name, _)) => {
                Err(Error::invalid("a period is longer than nothing").with("setting", name))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_of_nothing_is_refused() {
        assert!(Settings::default().check().is_ok());
        let nothing: [fn(&mut Settings); 3] = [
            |settings| settings.heartbeat = Duration::ZERO,
            |settings| settings.poll = Duration::ZERO,
            |settings| settings.checkpoint = Duration::ZERO,
        ];
        for change in nothing {
            let mut settings = Settings::default();
            change(&mut settings);
            assert!(settings.check().is_err(), "{settings:?}");
        }
    }
}
