//! Whether somebody waits for an answer and nobody knows why.
//!
//! A conversation that has something to claim is at work, or in a human's hands, or waits
//! for a time that its row has; one that is due, and free, and stays so, is none of that.
//! Nothing here can mend it, so whoever finds one says so.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};
use zupa_core::bus::{Draft, names};
use zupa_core::store::Due;
use zupa_core::{ConversationId, EventBus, Store, Timestamp};

use crate::settings::Settings;

/// Conversations that one look lists.
const PAGE: usize = 100;

/// Who looks, and what was found last.
pub(super) struct Stuck {
    store: Arc<dyn Store>,
    bus: EventBus,
    after: Duration,
    known: HashSet<ConversationId>,
}

impl Stuck {
    pub(super) fn new(store: Arc<dyn Store>, bus: EventBus, settings: &Settings) -> Self {
        Self {
            store,
            bus,
            after: settings.stuck_after,
            known: HashSet::new(),
        }
    }

    /// Looks, and tells of each conversation once, as long as it stays stuck.
    pub(super) async fn look(&mut self, now: Timestamp) {
        let due = match self.store.due(now, now.minus(self.after), PAGE).await {
            Ok(due) => due,
            Err(error) => return warn!(%error, "could not look for what is stuck"),
        };
        if due.is_empty() && self.known.is_empty() {
            return;
        }
        let oldest = due.first().map_or(now, |due| due.at);
        let (count, waited) = (due.len(), now.since(oldest));
        let stuck = Draft::of(names::QUEUE_STUCK);
        self.bus
            .emit(stuck.with("conversations", count).with("waited", waited));
        for Due {
            conversation, at, ..
        } in &due
        {
            if !self.known.contains(conversation) {
                warn!(conversation_id = %conversation, since = %at,
                    "a conversation is due and nobody is at work on it");
            }
        }
        if due.is_empty() {
            info!("no conversation is stuck any more");
        }
        self.known = due.into_iter().map(|due| due.conversation).collect();
    }
}
