//! The benchmark's only look at a clock.

use std::time::{Duration, Instant};

/// The time that both programs are measured with.
#[expect(
    clippy::disallowed_methods,
    reason = "the benchmark measures wall time, also of the clock port's own user"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A duration as people read latencies.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
