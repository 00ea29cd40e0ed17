//! Turns that were running when a process died, again and again.
//!
//! The store keeps the suspicion, and a claim that hears of it asks again when
//! the turn can run as it must. One of the suspects may be the cause of the
//! deaths, so they go one at a time beside the new work. If a process dies there,
//! the one that was running goes alone. Dying alone three times is proof.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tracing::warn;
use zupa_core::ConversationId;
use zupa_core::store::{ClaimMode, Suspect};

use super::{Hiring, Next, Permit, Ran, Worker};

/// How turns under suspicion run.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    pub hiring: Hiring,
    pub lane: Arc<Mutex<()>>,
    /// The longest that a turn may run alone. The turn's own deadline comes
    /// first; this one also holds a store that does not answer.
    pub deadline: Duration,
}

impl Quarantine {
    /// Those that run before everything else, by what a start has found.
    pub(crate) fn alone(suspects: &[Suspect]) -> Vec<ConversationId> {
        suspects
            .iter()
            .filter(|suspect| suspect.mode == ClaimMode::Alone)
            .map(|suspect| suspect.conversation)
            .collect()
    }

    /// Runs a conversation's turn among the others, or as suspicion wants it.
    pub(crate) async fn run(
        &self,
        worker: &Worker,
        conversation: ConversationId,
        permit: Permit,
    ) -> Next {
        let mode = match worker.run(conversation, ClaimMode::Normal).await {
            Ran::Ended(next) => return next,
            Ran::Suspected(mode) => mode,
        };
        // Whoever waits for the lane, or for all others to end, keeps nobody else waiting.
        drop(permit);
        if mode != ClaimMode::Alone {
            let _one_at_a_time = self.lane.lock().await;
            let _permit = self.hiring.hire().await;
            if let Ran::Ended(next) = worker.run(conversation, ClaimMode::Suspect).await {
                return next;
            }
        }
        let _nothing_beside = self.hiring.hire_all().await;
        self.run_alone(worker, conversation).await
    }

    /// Runs a turn beside which nothing runs.
    pub(crate) async fn run_alone(&self, worker: &Worker, conversation: ConversationId) -> Next {
        let run = worker.run(conversation, ClaimMode::Alone);
        match tokio::time::timeout(self.deadline, run).await {
            Ok(Ran::Ended(next)) => next,
            // Nothing is more alone than alone; the poll finds it again.
            Ok(Ran::Suspected(_)) => Next::Idle,
            Err(_elapsed) => {
                warn!(conversation_id = %conversation, "a suspect ran alone to its deadline");
                Next::Idle
            }
        }
    }
}
