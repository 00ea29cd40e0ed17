//! What the person hears while the model's provider fails, and when it is too late for
//! an answer.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use zupa_core::{Coming, ConversationId, Error};

use super::{AgentTurn, Parts, Update};
use crate::graph::{Ending, Move};
use crate::remind::nobody_spoke;
use crate::turn::{Cx, Stop};

/// How long one notice stands for: the turns of a conversation share it.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// Conversations whose last notice is remembered.
const KNOWN: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// What becomes of a turn whose model's provider fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnModelDown {
    /// It waits, and is answered when the provider works again. The person is told once.
    #[default]
    Hold,
    /// It ends with the fallback text.
    Reply,
}

/// When conversations of this process were last told. A process that begins anew may
/// tell one more time; a turn is never told of twice.
#[derive(Debug)]
pub(crate) struct Notices(Mutex<LruCache<ConversationId, Duration>>);

impl Default for Notices {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KNOWN)))
    }
}

impl Notices {
    /// True when it is time for one.
    fn is_due(&self, conversation: ConversationId, now: Duration) -> bool {
        let told = self.lock().get(&conversation).copied();
        told.is_none_or(|told| now.saturating_sub(told) >= WINDOW)
    }

    /// One was written. Before that nobody was told: a store that failed is asked again.
    fn told(&self, conversation: ConversationId, now: Duration) {
        self.lock().put(conversation, now);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<ConversationId, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a turn that has waited for its model for too long: nobody expects an answer any
/// more, unless an operator has asked for it.
pub(super) fn too_late(parts: &Parts, cx: &Cx) -> Option<Move<AgentTurn>> {
    let has_waited = cx.run.turn.provider_failures > 0 && !is_redriven(cx);
    let answer_by = cx.run.at().plus(parts.agent.answer_within);
    (has_waited && cx.run.now() > answer_by)
        .then(|| Move::end(Ending::Silent("the model was down for too long".into())))
}

/// The provider has failed: the turn waits, or ends with the fallback text.
pub(super) async fn down(
    parts: &Parts,
    turn: &AgentTurn,
    cx: &mut Cx,
    error: Error,
) -> Result<Move<AgentTurn>, Stop> {
    let agent = &parts.agent;
    let unasked = nobody_spoke(&cx.run);
    if agent.on_model_down == OnModelDown::Reply {
        // An apology is no answer: the dead letter waits again, or is one.
        return match is_redriven(cx) || unasked {
            true => Err(Stop::Failed(error)),
            false => Ok(Move::to("finalize").with(Update::ModelDown)),
        };
    }
    let text = agent.language.model_down.trim();
    // Where nobody has spoken no answer is due.
    if !text.is_empty() && !unasked && !turn.input.is_empty() {
        let now = cx.run.path.clock.monotonic();
        if parts.notices.is_due(cx.conversation(), now) {
            cx.notice("model_down", text).await?;
            parts.notices.told(cx.conversation(), now);
        }
    }
    Err(Stop::Provider(error))
}

/// Whether an operator has had one of the turn's messages tried again.
fn is_redriven(cx: &Cx) -> bool {
    let mut inbounds = cx.run.turn.inbounds.iter();
    inbounds.any(|inbound| inbound.coming == Coming::Redriven)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_due_until_one_was_written_and_again_a_window_later() {
        let notices = Notices::default();
        let ana = ConversationId(uuid::Uuid::from_u128(1));
        let bob = ConversationId(uuid::Uuid::from_u128(2));
        let now = Duration::from_secs(5);
        assert!(notices.is_due(ana, now));
        assert!(notices.is_due(ana, now), "the store has failed it");
        notices.told(ana, now);
        assert!(!notices.is_due(ana, now + WINDOW - Duration::from_secs(1)));
        assert!(notices.is_due(ana, now + WINDOW) && notices.is_due(bob, now));
    }
}
