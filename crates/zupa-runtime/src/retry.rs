//! When to try again. Delays of work are written as rows; nobody sleeps on them.
//! Only what the store did not hear is said again after a pause.

use std::time::Duration;

use zupa_core::{Error, ErrorKind, Outcome, Retry};

use crate::settings::Settings;

/// The delay before the next try after `failures` failures in a row (from 1):
/// doubling from the base, capped, with full jitter below half of it, and never
/// before a server asked for.
pub(crate) fn delay(settings: &Settings, failures: u32, error: &Error, random: u64) -> Duration {
    let doubled = settings
        .retry_base
        .saturating_mul(1 << failures.saturating_sub(1).min(16));
    let whole = doubled.min(settings.retry_cap);
    let jitter = whole / 2 * (random % 1_000) as u32 / 1_000;
    let backoff = whole / 2 + jitter;
    match error.retry() {
        Retry::After(asked) => backoff.max(asked),
        Retry::Never | Retry::Now | Retry::Exhausted => backoff,
    }
}

/// The first pause before the store is told again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pauses between one telling and the next.
#[derive(Debug, Default)]
pub(crate) struct Pauses(u32);

impl Pauses {
    /// True when there was one.
    pub(crate) fn taken(&self) -> bool {
        self.0 > 0
    }

    /// Longer from pause to pause, up to a cap.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.0.min(16));
        self.0 += 1;
        pause.min(LONGEST_PAUSE)
    }
}

/// True when the same write may be taken, or be found written, a little later.
/// What is wrong with the write itself, or with the disk, stays wrong.
pub(crate) fn may_pass(error: &Error) -> bool {
    let stays = matches!(
        error.kind(),
        ErrorKind::Conflict
            | ErrorKind::Invalid
            | ErrorKind::Corrupt
            | ErrorKind::Full
            | ErrorKind::DurabilityLost
            | ErrorKind::Unsupported
    );
    !stays && (error.is_transient() || error.outcome() == Outcome::Unknown)
}

#[cfg(test)]
mod tests {
    use zupa_core::ErrorKind;

    use super::*;

    #[test]
    fn only_what_may_pass_is_told_again() {
        let error = |kind| Error::new(kind, "down");
        assert!(may_pass(
            &error(ErrorKind::Unavailable).with_retry(Retry::Now)
        ));
        assert!(may_pass(
            &error(ErrorKind::Internal).with_outcome(Outcome::Unknown)
        ));
        assert!(!may_pass(&error(ErrorKind::Unavailable)));
        assert!(!may_pass(&error(ErrorKind::Full).with_retry(Retry::Now)));
        let mut pauses = Pauses::default();
        let pauses: Vec<_> = (0..7).map(|_| pauses.next().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn delays_double_up_to_the_cap_and_honour_the_server() {
        let settings = Settings::default();
        let error = Error::new(ErrorKind::Unavailable, "down");
        let seconds = |failures| delay(&settings, failures, &error, 999).as_secs_f64();
        assert!((0.9..=1.0).contains(&seconds(1)));
        assert!((1.9..=2.0).contains(&seconds(2)));
        assert!((29.0..=30.0).contains(&seconds(60)));
        let asked = error.with_retry(Retry::After(Duration::from_secs(90)));
        assert_eq!(delay(&settings, 1, &asked, 0), Duration::from_secs(90));
    }
}
