//! What operators do with dead letters, and when it cannot be done.

use std::fmt;

use super::{DeadLetterKind, DeadLetterState};
use crate::id::ConversationId;
use crate::time::Timestamp;

/// What an operator does with a dead letter.
#[derive(Clone, PartialEq, Eq)]
pub enum DeadLetterAct {
    /// Try it again, at the end of its conversation.
    Retry {
        /// Also where effects that matter may be made once more, or a human has replied.
        confirmed: bool,
    },
    /// Try it again with other words.
    Edit {
        /// The words. Customer text.
        text: String,
        /// Also where effects that matter may be made once more, or a human has replied.
        confirmed: bool,
    },
    /// Let it be.
    Discard {
        /// Why.
        reason: String,
    },
    /// Let it be, and keep it from being tried with others.
    Poison {
        /// Why.
        reason: String,
    },
    /// Call it something; none takes that back.
    Tag(Option<String>),
    /// Forget it with its failures; only what has ended.
    Forget,
}

impl fmt::Debug for DeadLetterAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Retry { .. } => "Retry",
            Self::Edit { .. } => "Edit",
            Self::Discard { .. } => "Discard",
            Self::Poison { .. } => "Poison",
            Self::Tag(_) => "Tag",
            Self::Forget => "Forget",
        };
        f.write_str(what)
    }
}

/// What of a dead letter decides whether an act can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterStanding {
    /// What gave up.
    pub kind: DeadLetterKind,
    /// Where it stands.
    pub state: DeadLetterState,
    /// True for an inbound that nobody has said.
    pub is_internal: bool,
    /// True for such a one that is a reminder: it has a turn of its own.
    pub is_reminder: bool,
    /// True for an inbound that its door could not read: its bytes exist nowhere else.
    pub is_unread: bool,
    /// True when the turn that gave it up has begun an effect that matters, or nobody
    /// knows whether the delivery has left, or a human has replied to the person since.
    pub matters: bool,
}

impl DeadLetterAct {
    /// Why it cannot be done; none when it can.
    pub fn refused(&self, standing: DeadLetterStanding) -> Option<DeadLetterActed> {
        let DeadLetterStanding {
            kind,
            state,
            is_internal,
            is_reminder,
            is_unread,
            matters,
        } = standing;
        if matches!(self, Self::Forget) {
            return (!state.has_ended()).then_some(DeadLetterActed::Already(state));
        }
        let open = matches!(state, DeadLetterState::Pending | DeadLetterState::Poison);
        let (is_redrive, confirmed) = match self {
            Self::Retry { confirmed } | Self::Edit { confirmed, .. } => (true, *confirmed),
            Self::Discard { .. } | Self::Poison { .. } | Self::Tag(_) | Self::Forget => {
                (false, true)
            }
        };
        let is_edit = matches!(self, Self::Edit { .. });
        let has_no_other_words = is_internal || is_unread || kind == DeadLetterKind::Delivery;
        // A parked turn goes on once; a reminder brings its text, and that only.
        let no_redrive = match is_edit {
            true => has_no_other_words,
            false => is_internal && !is_reminder,
        };
        let is_again = matches!(self, Self::Poison { .. }) && state == DeadLetterState::Poison;
        if (!open || is_again) && !matches!(self, Self::Tag(_)) {
            Some(DeadLetterActed::Already(state))
        } else if is_redrive && no_redrive {
            Some(DeadLetterActed::NotPossible)
        } else if is_redrive && matters && !confirmed {
            Some(DeadLetterActed::Unconfirmed)
        } else {
            None
        }
    }
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterActed {
    /// It is done.
    Done {
        /// Whose it is.
        conversation: ConversationId,
        /// When the conversation has something to claim.
        due_at: Option<Timestamp>,
    },
    /// It stands so that this cannot be done any more: somebody was faster.
    Already(DeadLetterState),
    /// The turn that gave it up has begun effects that matter, or nobody knows whether
    /// the delivery has left, or a human has replied since: trying again may do it twice,
    /// so it has to be confirmed.
    Unconfirmed,
    /// Nobody can: what nobody has said cannot be said again, unless it is a reminder,
    /// and neither that nor what the agent has said is put into other words, nor is what
    /// no door could read, whose bytes exist nowhere else.
    NotPossible,
    /// There is no such dead letter.
    NotFound,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_pending_or_poison_is_tried_again() {
        let retry = DeadLetterAct::Retry { confirmed: false };
        let standing = |state, matters| DeadLetterStanding {
            kind: DeadLetterKind::Inbound,
            state,
            is_internal: false,
            is_reminder: false,
            is_unread: false,
            matters,
        };
        for state in DeadLetterState::ALL {
            let open = matches!(state, DeadLetterState::Pending | DeadLetterState::Poison);
            let refused = retry.refused(standing(state, false));
            assert_eq!(refused.is_none(), open, "{state:?}");
        }
        for state in DeadLetterState::ALL {
            let refused = DeadLetterAct::Forget.refused(standing(state, true));
            assert_eq!(refused.is_none(), state.has_ended(), "{state:?}");
        }
        let matters = standing(DeadLetterState::Pending, true);
        assert_eq!(retry.refused(matters), Some(DeadLetterActed::Unconfirmed));
        let confirmed = DeadLetterAct::Retry { confirmed: true };
        assert_eq!(confirmed.refused(matters), None);
    }

    #[test]
    fn of_what_nobody_has_said_only_a_reminder_is_tried_again() {
        let (retry, edit) = (
            DeadLetterAct::Retry { confirmed: false },
            DeadLetterAct::Edit {
                text: "other words".into(),
                confirmed: false,
            },
        );
        for is_reminder in [false, true] {
            let standing = DeadLetterStanding {
                kind: DeadLetterKind::Inbound,
                state: DeadLetterState::Pending,
                is_internal: true,
                is_reminder,
                is_unread: false,
                matters: false,
            };
            assert_eq!(retry.refused(standing).is_none(), is_reminder);
            assert_eq!(edit.refused(standing), Some(DeadLetterActed::NotPossible));
        }
    }
}
