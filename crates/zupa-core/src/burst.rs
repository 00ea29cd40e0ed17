//! When a conversation's pending inbounds may be claimed: at once, or after the
//! person has stopped typing for a while.

use std::time::Duration;

use crate::time::Timestamp;

/// The burst window of an agent: messages that come in quick succession are
/// answered by one turn. The default is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// The window closes after this much silence; zero switches bursts off.
    pub silence: Duration,
    /// It closes this long after its first message at the latest.
    pub max_wait: Duration,
    /// It closes when this many messages are pending.
    pub max_count: u32,
}

impl Default for Burst {
    fn default() -> Self {
        Self {
            silence: Duration::ZERO,
            max_wait: Duration::from_secs(5),
            max_count: 20,
        }
    }
}

impl Burst {
    /// When a window closes that opened at `opened` and holds `pending`
    /// messages, the last of which came at `last`.
    pub fn closes_at(&self, opened: Timestamp, last: Timestamp, pending: u32) -> Timestamp {
        if self.silence.is_zero() || pending >= self.max_count {
            return last;
        }
        last.plus(self.silence).min(opened.plus(self.max_wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Burst = Burst {
        silence: Duration::from_secs(2),
        max_wait: Duration::from_secs(5),
        max_count: 3,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn closes_after_silence() {
        assert_eq!(BURST.closes_at(at(10), at(10), 1), at(12));
    }

    #[test]
    fn closes_at_the_longest_wait() {
        assert_eq!(BURST.closes_at(at(10), at(14), 2), at(15));
    }

    #[test]
    fn closes_when_full_or_off() {
        assert_eq!(BURST.closes_at(at(10), at(11), 3), at(11));
        assert_eq!(Burst::default().closes_at(at(10), at(11), 1), at(11));
    }
}
