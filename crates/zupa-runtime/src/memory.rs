//! The newest lines of the conversations that talk now, so that a turn need not
//! read what the turn before it has just written.
//!
//! An entry is as of an epoch: each claim raises the epoch by one, and history
//! changes only under a claim, so an entry is good for the claim that follows
//! it directly, and for no other.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use zupa_core::store::{ClaimedTurn, Commit, Verdict};
use zupa_core::turn::Message;
use zupa_core::{ConversationId, Epoch, Number, Role};

/// Conversations whose lines are kept: some megabytes with usual lines.
const KEPT: NonZeroUsize = NonZeroUsize::new(2_048).unwrap();

/// The newest lines of the conversations that talk now.
#[derive(Debug)]
pub(crate) struct Memory {
    lines: usize,
    kept: Mutex<LruCache<ConversationId, Kept>>,
}

#[derive(Debug)]
struct Kept {
    as_of: Epoch,
    lines: Vec<Message>,
}

impl Memory {
    /// Keeps at most `lines` lines of each conversation.
    pub(crate) fn new(lines: usize) -> Self {
        Self {
            lines,
            kept: Mutex::new(LruCache::new(KEPT)),
        }
    }

    /// The lines before a claim, if they are known for sure.
    pub(crate) fn recall(&self, turn: &ClaimedTurn) -> Option<Vec<Message>> {
        let mut kept = self.lock();
        let known = kept.get(&turn.conversation)?;
        let follows = known.as_of == turn.epoch || known.as_of.0 + 1 == turn.epoch.0;
        follows.then(|| known.lines.clone())
    }

    /// Keeps what the store said for a claim.
    pub(crate) fn keep(&self, turn: &ClaimedTurn, lines: Vec<Message>) {
        self.lock().put(
            turn.conversation,
            Kept {
                as_of: turn.epoch,
                lines,
            },
        );
    }

    /// Adds what a commit has written, as the store will tell it.
    pub(crate) fn committed(&self, turn: &ClaimedTurn, commit: &Commit, numbers: &[Number]) {
        let mut kept = self.lock();
        let known = match kept.get_mut(&turn.conversation) {
            Some(known) if known.as_of == turn.epoch => known,
            // What is not of this claim cannot be continued.
            _ => {
                kept.pop(&turn.conversation);
                return;
            }
        };
        if !matches!(commit.verdict, Verdict::Dead(_)) {
            known
                .lines
                .extend(turn.inbounds.iter().map(|inbound| Message {
                    number: inbound.number,
                    role: Role::User,
                    text: inbound.content.as_prompt_text(),
                }));
        }
        known.lines.extend(
            commit
                .outbound
                .iter()
                .zip(numbers)
                .map(|(row, number)| Message {
                    number: *number,
                    role: Role::Assistant,
                    text: row.outbound.content.as_prompt_text(),
                }),
        );
        let surplus = known.lines.len().saturating_sub(self.lines);
        known.lines.drain(..surplus);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<ConversationId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
