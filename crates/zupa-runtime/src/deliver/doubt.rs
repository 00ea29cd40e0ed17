//! What becomes of a send in doubt when it is looked at. Pure: the store says what is
//! known of the attempt, the door what it can do and has heard.

use std::time::Duration;

use zupa_core::store::Settlement;
use zupa_core::{Capabilities, Deduplicates, OnUnknown, Timestamp};

/// What is known when a send in doubt is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    pub door: Capabilities,
    /// As [`zupa_core::Channel::caught_up_since`] says now.
    pub caught_up_since: Option<Timestamp>,
    /// When the attempt was recorded.
    pub tried_at: Timestamp,
    pub now: Timestamp,
    /// How long evidence is waited for, from the attempt on.
    pub window: Duration,
    /// Whether there may be another attempt.
    pub may_try: bool,
}

impl Doubt {
    /// A door that drops repeats is simply sent to again, as often as there may be
    /// attempts. Otherwise a receipt may still come until the window ends. Then silence counts as evidence if the door has told
    /// everything since before the attempt; if not, the door's policy decides.
    pub(super) fn settle(self) -> Settlement {
        let end = self.tried_at.plus(self.window);
        match self.door.deduplicates {
            Deduplicates::ByKey if self.may_try => Settlement::SendAgain,
            Deduplicates::ByKey => Settlement::Unknown,
            Deduplicates::Never if self.now < end => Settlement::InDoubt { until: end },
            Deduplicates::Never if !self.may_try => Settlement::Unknown,
            Deduplicates::Never if self.is_absent() => Settlement::SendAgain,
            Deduplicates::Never => match self.door.on_unknown {
                OnUnknown::Review => Settlement::Unknown,
                OnUnknown::Resend => Settlement::Resend,
            },
        }
    }

    /// A door that was away, or behind, for any part of the window may have missed the
    /// receipt: then hearing nothing means nothing.
    fn is_absent(self) -> bool {
        self.caught_up_since
            .is_some_and(|since| since <= self.tried_at)
    }
}

#[cfg(test)]
mod tests {
    use zupa_core::Acknowledges;

    use super::*;

    const TRIED: Timestamp = Timestamp(1_000_000);
    const WINDOW: Duration = Duration::from_secs(60);
    const END: Timestamp = Timestamp(61_000_000);

    fn doubt(deduplicates: Deduplicates, on_unknown: OnUnknown) -> Doubt {
        Doubt {
            door: Capabilities {
                on_unknown,
                ..Capabilities::new(Acknowledges::OnSend, deduplicates)
            },
            caught_up_since: None,
            tried_at: TRIED,
            now: END,
            window: WINDOW,
            may_try: true,
        }
    }

    #[test]
    fn who_drops_repeats_is_asked_again_at_once() {
        let doubt = Doubt {
            now: TRIED,
            ..doubt(Deduplicates::ByKey, OnUnknown::Review)
        };
        assert_eq!(doubt.settle(), Settlement::SendAgain);
        let last = Doubt {
            may_try: false,
            ..doubt
        };
        assert_eq!(last.settle(), Settlement::Unknown, "not for ever");
    }

    #[test]
    fn evidence_is_waited_for_until_the_window_ends() {
        for on_unknown in [OnUnknown::Review, OnUnknown::Resend] {
            let early = Doubt {
                now: Timestamp(END.0 - 1),
                caught_up_since: Some(TRIED),
                ..doubt(Deduplicates::Never, on_unknown)
            };
            assert_eq!(early.settle(), Settlement::InDoubt { until: END });
        }
    }

    #[test]
    fn without_evidence_the_policy_decides() {
        let review = doubt(Deduplicates::Never, OnUnknown::Review);
        let resend = doubt(Deduplicates::Never, OnUnknown::Resend);
        assert_eq!(review.settle(), Settlement::Unknown);
        assert_eq!(resend.settle(), Settlement::Resend);
        let last = Doubt {
            may_try: false,
            ..resend
        };
        assert_eq!(last.settle(), Settlement::Unknown, "not for ever");
    }

    #[test]
    fn silence_is_evidence_only_from_a_door_that_missed_nothing() {
        let check = |since, settlement| {
            let doubt = Doubt {
                caught_up_since: since,
                ..doubt(Deduplicates::Never, OnUnknown::Review)
            };
            assert_eq!(doubt.settle(), settlement, "{since:?}");
        };
        check(Some(TRIED), Settlement::SendAgain);
        check(Some(Timestamp(0)), Settlement::SendAgain);
        // It came back in the window, or is away now.
        check(Some(Timestamp(TRIED.0 + 1)), Settlement::Unknown);
        check(None, Settlement::Unknown);
    }
}
