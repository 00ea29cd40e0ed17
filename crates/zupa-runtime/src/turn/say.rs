//! Side messages: written to the outbox with a step, on their way at once.

use zupa_core::store::OutboxRow;
use zupa_core::{Acknowledges, DeliveryState, Hint, Nudge, Outbound};

use super::Run;
use crate::fit::fit;

impl Run {
    /// A side message as rows: sent where the commit is the delivery, else behind
    /// whatever the outbox holds.
    pub(super) fn aside(&self, text: &str) -> Vec<OutboxRow> {
        let door = self.path.doors.capabilities(&self.turn.address.channel);
        let at_commit = door.is_some_and(|door| door.acknowledges == Acknowledges::AtCommit);
        let state = match at_commit {
            true => DeliveryState::Sent,
            false => DeliveryState::Queued,
        };
        fit(vec![Outbound::aside(text)], door)
            .into_iter()
            .map(|outbound| OutboxRow {
                outbound,
                state,
                answer_by: None,
            })
            .collect()
    }

    /// Tells whoever sends and watches that something was said.
    pub(super) fn said_something(&self) {
        let (path, address) = (&self.path, &self.turn.address);
        path.deliveries.look(self.turn.conversation);
        path.doors.hint(address, Hint::Look);
        path.wakeup.wake(Nudge::News(address.clone()));
    }
}
