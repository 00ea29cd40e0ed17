//! The start of a process, in memory: void what died, and remember who was
//! running when it died.

use zupa_core::store::{ClaimMode, Recovery, Suspect};
use zupa_core::{AuditEntry, DeliveryState, Digest, InboundState, ProcessId, Timestamp, TurnState};

use super::rows::{Conversation, State, TurnRow};

/// From this many runs on, a turn that was running at a death is suspect.
const RUNS_OF_A_SUSPECT: u32 = 3;
/// So many deaths while it ran alone are proof.
const DEATHS_OF_PROOF: u32 = 3;

impl State {
    pub(super) fn recover(&mut self, process: ProcessId, now: Timestamp) -> Recovery {
        let unclean = self.process.is_some() && !self.clean;
        let mut recovery = Recovery {
            unclean,
            ..Recovery::default()
        };
        for conversation in self.conversations.values_mut() {
            recovery.deliveries_in_doubt += conversation.doubt_sending(now);
            conversation.void(process, unclean, now, &mut recovery);
        }
        self.process = Some(process);
        self.clean = false;
        recovery
    }
}

impl Conversation {
    /// Attempts on the wire at the death are in doubt, to be decided at once.
    fn doubt_sending(&mut self, now: Timestamp) -> u64 {
        let mut count = 0;
        for row in self.outbox.values_mut() {
            if row.state == DeliveryState::Sending {
                row.state = DeliveryState::InDoubt;
                row.until = Some(now);
                count += 1;
            }
        }
        count
    }

    fn void(&mut self, process: ProcessId, unclean: bool, now: Timestamp, found: &mut Recovery) {
        let was_running = self
            .holder
            .take()
            .is_some_and(|holder| holder.process != process);
        let Some(turn) = self.open.and_then(|open| self.turns.get_mut(&open)) else {
            return;
        };
        turn.suspicion = match (unclean, was_running) {
            (false, _) => ClaimMode::Normal,
            (true, false) => turn.suspicion,
            (true, true) => turn.after_death(),
        };
        if turn.deaths_alone >= DEATHS_OF_PROOF {
            self.give_up_crashed("turn.dead", now);
            return;
        }
        if turn.suspicion != ClaimMode::Normal && turn.range.len() > 1 {
            self.split_until = turn.range.last().copied().unwrap_or_default();
            self.give_up_crashed("turn.split", now);
            return;
        }
        found.turns_resumed += u64::from(was_running);
        if turn.suspicion != ClaimMode::Normal {
            found.suspects.push(Suspect {
                conversation: self.id,
                mode: turn.suspicion,
            });
        }
    }

    /// Ends the turn as dead, or divides its range.
    fn give_up_crashed(&mut self, action: &str, now: Timestamp) {
        let Some(turn) = self.open else {
            return;
        };
        let reason = "crashed";
        let entry = AuditEntry {
            at: now,
            actor: "runtime".into(),
            action: action.into(),
            reason: reason.into(),
            turn: Some(turn),
            config: Digest::default(),
            commitment: None,
        };
        let link = self.head().append(&self.stream(), entry, None);
        self.audit.push(link);
        let reason = Some(reason.to_owned());
        let (turn_state, inbound) = match action {
            "turn.split" => (TurnState::Superseded, InboundState::Queued),
            _ => (TurnState::Dead, InboundState::Dead),
        };
        self.end(turn, turn_state, inbound, reason, now);
    }
}

impl TurnRow {
    /// How a turn that was running at a death is to run next.
    fn after_death(&mut self) -> ClaimMode {
        match self.mode {
            ClaimMode::Normal if self.runs >= RUNS_OF_A_SUSPECT => ClaimMode::Suspect,
            ClaimMode::Normal => ClaimMode::Normal,
            ClaimMode::Suspect => ClaimMode::Alone,
            ClaimMode::Alone => {
                self.deaths_alone += 1;
                ClaimMode::Alone
            }
        }
    }
}
