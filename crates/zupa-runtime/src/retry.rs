//! When to try again. Delays are written as rows; nobody sleeps on them.

use std::time::Duration;

use zupa_core::{Error, Retry};

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

#[cfg(test)]
mod tests {
    use zupa_core::ErrorKind;

    use super::*;

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
