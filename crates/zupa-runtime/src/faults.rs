//! Faults for the kill harness: phase marks, stalls and planted bugs. Without
//! the feature `faults` none of it exists and every call here is nothing.

use uuid::Uuid;

/// Where a turn is, as the harness counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "faults"),
    allow(dead_code, reason = "read by the feature alone")
)]
pub(crate) enum Phase {
    /// The message is durable.
    Accepted,
    /// The model is at work.
    Model,
    /// A tool is at work.
    Tool,
    /// The answer is recorded.
    Recorded,
    /// The commit is on its way.
    Committing,
    /// The commit is durable.
    Committed,
    /// The run is over without a commit.
    Ended,
}

#[cfg(not(feature = "faults"))]
mod planted {
    /// No faults.
    #[derive(Debug, Clone, Default)]
    pub struct Faults {}

    impl Faults {
        pub(crate) async fn mark(&self, _id: super::Uuid, _phase: super::Phase) {}
        pub(crate) async fn mark_claimed(&self, _turn: super::Uuid, _events: &[super::Uuid]) {}
        pub(crate) fn is_marking(&self) -> bool {
            false
        }
        pub(crate) fn acknowledges_before_commit(&self) -> bool {
            false
        }
        pub(crate) fn resends_without_evidence(&self) -> bool {
            false
        }
        pub(crate) fn sends_however_late(&self) -> bool {
            false
        }
        pub(crate) fn holds_claims(&self) -> bool {
            false
        }
        pub(crate) fn abort_on(&self, _text: &str) {}
    }
}

#[cfg(feature = "faults")]
mod planted {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use zupa_core::Clock;

    use super::{Phase, Uuid};
    use crate::system::SystemClock;

    /// What to plant, from the binary's environment.
    #[derive(Debug, Clone, Default)]
    pub struct Faults {
        /// Where marks are appended.
        pub marks: Option<Arc<std::fs::File>>,
        /// How long a stall at a mark lasts, at the most.
        pub stall: Duration,
        /// How many marks in a hundred stall.
        pub stall_percent: u64,
        /// Acknowledge before the commit.
        pub ack_before_commit: bool,
        /// Send again what is in doubt, whoever drops repeats.
        pub resend_without_evidence: bool,
        /// Send however long ago the attempt was put on record.
        pub send_however_late: bool,
        /// Accept, but claim nothing.
        pub hold: bool,
        /// A turn whose text holds this kills the process.
        pub abort_on: Option<Arc<str>>,
        /// Steps the stalls.
        pub dice: Arc<AtomicU64>,
    }

    impl Faults {
        pub(crate) async fn mark(&self, id: Uuid, phase: Phase) {
            let word = match phase {
                Phase::Accepted => "accepted",
                Phase::Model => "model",
                Phase::Tool => "tool",
                Phase::Recorded => "recorded",
                Phase::Committing => "committing",
                Phase::Committed => "committed",
                Phase::Ended => "ended",
            };
            self.write(&format!(
                "{id} {word} {}\n",
                SystemClock::default().wall().0
            ))
            .await;
        }

        pub(crate) async fn mark_claimed(&self, turn: Uuid, events: &[Uuid]) {
            let events: Vec<_> = events.iter().map(ToString::to_string).collect();
            self.write(&format!(
                "{turn} claimed {} {}\n",
                SystemClock::default().wall().0,
                events.join(",")
            ))
            .await;
        }

        /// One short append: it is there or not, whenever the process dies.
        async fn write(&self, line: &str) {
            let Some(mut marks) = self.marks.as_deref() else {
                return;
            };
            let _ = marks.write_all(line.as_bytes());
            let roll = self
                .dice
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if roll >> 32 < (self.stall_percent << 32) / 100 {
                let share = (roll & 0xff) as u32;
                tokio::time::sleep(self.stall * share / 255).await;
            }
        }

        /// True when somebody reads the marks, and stages must be told apart.
        pub(crate) fn is_marking(&self) -> bool {
            self.marks.is_some()
        }

        pub(crate) fn acknowledges_before_commit(&self) -> bool {
            self.ack_before_commit
        }

        pub(crate) fn resends_without_evidence(&self) -> bool {
            self.resend_without_evidence
        }

        pub(crate) fn sends_however_late(&self) -> bool {
            self.send_however_late
        }

        pub(crate) fn holds_claims(&self) -> bool {
            self.hold
        }

        pub(crate) fn abort_on(&self, text: &str) {
            if self
                .abort_on
                .as_deref()
                .is_some_and(|marker| text.contains(marker))
            {
                std::process::abort();
            }
        }
    }
}

pub use planted::Faults;
