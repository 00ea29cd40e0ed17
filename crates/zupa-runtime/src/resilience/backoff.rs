//! How long to wait before the next try.

use std::time::Duration;

use zupa_core::Retry;

/// How much of a wait is left to chance, so that those who failed together do not come
/// back together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Jitter {
    /// All of it: anything from nothing to the whole wait.
    Full,
    /// This share of it, from 0 to 1: a ratio of 0.1 waits for nine tenths at least.
    Ratio(f64),
}

/// Waits that double from a base up to a cap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first wait. Default: 1 s.
    pub base: Duration,
    /// The longest wait, unless a server asks for more. Default: 30 s.
    pub cap: Duration,
    /// How much of a wait is left to chance. Default: all of it.
    pub jitter: Jitter,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
        }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, from 1: 1, 2, 4, 8 s and so on, less
    /// what chance takes of it, and never less than the server asked for.
    pub fn delay(&self, failures: u32, asked: Retry, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let whole = self.base.saturating_mul(1 << doublings).min(self.cap);
        let ratio = match self.jitter {
            Jitter::Full => 1.0,
            Jitter::Ratio(ratio) => ratio.clamp(0.0, 1.0),
        };
        // The low bits are random in every kind of id.
        let chance = f64::from(random as u32) / f64::from(u32::MAX);
        let wait = whole.mul_f64(1.0 - ratio * chance);
        match asked {
            Retry::After(asked) => wait.max(asked),
            Retry::Never | Retry::Now | Retry::Exhausted => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = u32::MAX as u64;

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff::default();
        let longest = |failures| backoff.delay(failures, Retry::Now, 0).as_secs();
        let waits: Vec<_> = (1..8).map(longest).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(longest(u32::MAX), 30);
        assert_eq!(backoff.delay(4, Retry::Now, MOST), Duration::ZERO);
        let half = backoff.delay(4, Retry::Now, MOST / 2).as_secs_f64();
        assert!((3.9..4.1).contains(&half), "{half}");
    }

    #[test]
    fn a_ratio_leaves_the_rest_certain() {
        let jitter = Jitter::Ratio(0.1);
        let backoff = Backoff {
            jitter,
            ..Backoff::default()
        };
        let shortest = backoff.delay(4, Retry::Now, MOST).as_secs_f64();
        assert!((7.19..7.21).contains(&shortest), "{shortest}");
        assert_eq!(backoff.delay(4, Retry::Now, 0), Duration::from_secs(8));
    }

    #[test]
    fn a_server_is_never_asked_before_its_time() {
        let asked = Retry::After(Duration::from_secs(90));
        let wait = Backoff::default().delay(1, asked, MOST);
        assert_eq!(wait, Duration::from_secs(90));
    }
}
