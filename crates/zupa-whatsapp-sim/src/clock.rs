//! The wall clock, which messages and statuses carry.
#![expect(
    clippy::disallowed_methods,
    reason = "a simulator is the outside world; it has no ports"
)]

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in microseconds.
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Unix time in seconds, as Meta spells it.
pub(crate) fn unix_seconds() -> String {
    (unix_micros() / 1_000_000).to_string()
}
