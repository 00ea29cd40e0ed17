//! What both programs are asked to do.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes of an inbound's text and of an answer's: what a turn stores for its user.
pub(super) const TEXT: usize = 120;
/// Payload of a turn, in bytes.
pub(super) const PAYLOAD: usize = 2 * TEXT;

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Durability {
    /// The disk.
    Full,
    /// The operating system.
    Normal,
}

impl Durability {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
        }
    }
}

/// When messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Load {
    /// When an earlier one was answered.
    Closed { in_flight: u32 },
    /// At their time, whatever became of the others.
    Open { per_second: u32 },
}

/// What both programs are asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Workload {
    /// Used in turn, so that a conversation rests between its messages.
    pub conversations: u32,
    pub load: Load,
    /// How long is measured.
    pub seconds: f64,
    /// Or how many turns, whichever ends first.
    pub turns: Option<u64>,
    pub model_ms: u64,
    /// Events on the runtime's bus meanwhile; the floor has no bus.
    pub events_per_second: u32,
    pub durability: Durability,
    pub seed: u64,
    /// Count the log's bytes; the log then grows for the whole run.
    pub counts_log: bool,
}

impl Workload {
    /// What is not measured at the start: statements are prepared, caches fill,
    /// the first answers are awaited. A run of so many turns is measured whole.
    pub(super) fn warm_up(&self) -> Duration {
        if self.turns.is_some() {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((self.seconds / 10.0).min(1.0)) + self.model()
    }

    pub(super) fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    pub(super) fn model(&self) -> Duration {
        Duration::from_millis(self.model_ms)
    }

    /// The most turns that are started.
    pub(super) fn most(&self) -> u64 {
        self.turns.unwrap_or(u64::MAX)
    }

    /// The text of a message: a number, and words that the seed chooses.
    pub(super) fn text(&self, sequence: u64) -> String {
        const WORDS: [&str; 8] = [
            "order", "please", "tomorrow", "thanks", "room", "when", "price", "hello",
        ];
        let mut state = self.seed ^ sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut text = format!("m{sequence}");
        while text.len() < TEXT {
            // Knuth's linear congruence; its high bits are good enough for words.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push(' ');
            text.push_str(WORDS[(state >> 61) as usize]);
        }
        text.truncate(TEXT);
        text
    }

    /// The platform's id of a message.
    pub(super) fn platform_id(&self, sequence: u64) -> String {
        format!("bench-{:016x}-{sequence:010}", self.seed)
    }
}

/// Turns that an open loop has in flight when it keeps to its goal: what comes
/// while the model thinks, and in a tenth of a second.
pub(super) fn expected_in_flight(per_second: u32, model_ms: u64) -> u32 {
    let expected = u64::from(per_second) * (model_ms + 100) / 1_000;
    u32::try_from(expected).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Workload {
        Workload {
            conversations: 4,
            load: Load::Closed { in_flight: 1 },
            seconds: 1.0,
            turns: None,
            model_ms: 0,
            events_per_second: 0,
            durability: Durability::Full,
            seed: 1,
            counts_log: false,
        }
    }

    #[test]
    fn a_text_has_its_length_and_its_seed() {
        assert_eq!(workload().text(7).len(), TEXT);
        assert_eq!(workload().text(7), workload().text(7));
        let other = Workload {
            seed: 2,
            ..workload()
        };
        assert_ne!(workload().text(7), other.text(7));
    }
}
