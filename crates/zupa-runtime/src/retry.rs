//! What the store did not hear is said again after a pause. All other delays of work are
//! written as rows: nobody sleeps on them.

use std::time::Duration;

use zupa_core::{Error, ErrorKind, Outcome};

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
    use zupa_core::Retry;

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
}
