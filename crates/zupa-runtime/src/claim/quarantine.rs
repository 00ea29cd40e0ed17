//! Turns that were running when the process died, again and again.
//!
//! One of them may be the cause, so they go one at a time beside the new work.
//! If the process dies there, the one that was running goes alone at the next
//! start. Dying alone three times is proof; the store keeps the count.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Mutex;
use zupa_core::ConversationId;
use zupa_core::store::{ClaimMode, Suspect};

/// The suspects of this start.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    alone: Vec<ConversationId>,
    suspects: HashSet<ConversationId>,
    lane: Arc<Mutex<()>>,
}

impl Quarantine {
    pub(crate) fn of(suspects: &[Suspect]) -> Self {
        let mut quarantine = Self::default();
        for suspect in suspects {
            match suspect.mode {
                ClaimMode::Alone => quarantine.alone.push(suspect.conversation),
                ClaimMode::Suspect => {
                    quarantine.suspects.insert(suspect.conversation);
                }
                ClaimMode::Normal => {}
            }
        }
        quarantine
    }

    /// Those to run before everything else, one by one. Handed out once.
    pub(crate) fn alone(&mut self) -> Vec<ConversationId> {
        std::mem::take(&mut self.alone)
    }

    /// The lane that a suspect has to wait for, if it is one. For the life of
    /// the process: a conversation that was suspect once loses little by it.
    pub(crate) fn suspect(&self, conversation: ConversationId) -> Option<Arc<Mutex<()>>> {
        self.suspects
            .contains(&conversation)
            .then(|| self.lane.clone())
    }
}
