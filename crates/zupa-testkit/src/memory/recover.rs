//! The start of a process, in memory: void what died, and remember who was
//! running when it died.

use std::time::Duration;

use zupa_core::store::{ClaimMode, Life, Recovery, Suspect};
use zupa_core::{
    AuditEntry, ConversationId, DeliveryState, Digest, InboundState, ProcessId, Timestamp,
    TurnState,
};

use super::rows::{Conversation, LifeRow, State, TurnRow};

/// From this many runs on, a turn that was running at a death is suspect.
const RUNS_OF_A_SUSPECT: u32 = 3;
/// So many deaths while it ran alone are proof.
const DEATHS_OF_PROOF: u32 = 3;
/// A clock that was set back by less is none that anybody minds.
const NOTICED: Duration = Duration::from_secs(60);

impl State {
    pub(super) fn recover(&mut self, life: Life) -> Recovery {
        self.now = self.now.max(life.now);
        let mut recovery = if self.replicated {
            self.join(life)
        } else {
            self.set_back(life);
            self.take_over(life)
        };
        self.show(life);
        self.follow_dead_letters(life.now);
        for conversation in self.conversations.values() {
            if let (None, Some(turn)) = (conversation.holder, conversation.open_turn())
                && turn.mode != ClaimMode::Normal
            {
                recovery.suspects.push(Suspect {
                    conversation: conversation.id,
                    mode: turn.mode,
                });
            }
        }
        recovery
    }

    /// Whoever served the store before is gone: all that it held is void.
    fn take_over(&mut self, life: Life) -> Recovery {
        let mut recovery = Recovery {
            unclean: self.lives.last().is_some_and(|life| !life.ended),
            ..Recovery::default()
        };
        for conversation in self.conversations.values_mut() {
            recovery.deliveries_in_doubt += conversation.doubt_sending(None, life.now);
            conversation.void(life.process, life.now, &mut recovery);
        }
        self.lives.clear();
        recovery
    }

    /// Others may serve the store as well: only what the dead have left is void.
    fn join(&mut self, life: Life) -> Recovery {
        let mut recovery = Recovery::default();
        let mut somebody_is_left = false;
        for other in &mut self.lives {
            if other.id != life.process && !other.ended {
                somebody_is_left = true;
                let died = other.expires_at <= life.now;
                recovery.unclean |= died && !other.mourned;
                other.mourned |= died;
            }
        }
        let found: Vec<_> = self.conversations.keys().copied().collect();
        for id in found {
            let was_held = self.conversations[&id].holder;
            let is_free = self
                .held_until(&self.conversations[&id], Some(life.process), life.now)
                .is_none();
            if is_free && was_held.is_some_and(|holder| holder.process != life.process) {
                self.free(id, life.process, life.now);
                let open = self.conversations[&id].open.is_some();
                recovery.turns_resumed += u64::from(open);
            }
        }
        for conversation in self.conversations.values_mut() {
            recovery.deliveries_in_doubt += conversation.doubt_sending(Some(life.now), life.now);
            let open = conversation.open;
            let open = open.and_then(|open| conversation.turns.get_mut(&open));
            if let Some(turn) = open.filter(|_| !somebody_is_left) {
                turn.mode = ClaimMode::Normal;
            }
        }
        recovery
    }

    pub(super) fn heartbeat(&mut self, life: Life) {
        if !self.replicated {
            self.set_back(life);
        }
        self.now = self.now.max(life.now);
        self.show(life);
    }

    pub(super) fn close(&mut self, process: ProcessId) {
        for life in &mut self.lives {
            life.ended |= life.id == process;
        }
    }

    /// A process whose clock was set back waits no longer than it would have.
    fn set_back(&mut self, life: Life) {
        let last = self.lives.iter().map(|life| life.heartbeat_at).max();
        let by = last.unwrap_or(life.now).since(life.now);
        if by <= NOTICED {
            return;
        }
        self.now = life.now;
        let earlier = |at: &mut Timestamp| {
            if *at > life.now {
                *at = at.minus(by);
            }
        };
        for conversation in self.conversations.values_mut() {
            let open = conversation.open;
            let open = open.and_then(|open| conversation.turns.get_mut(&open));
            let of_turn = open
                .into_iter()
                .flat_map(|turn| [Some(&mut turn.claimed_at), turn.not_before.as_mut()]);
            of_turn.flatten().for_each(earlier);
            conversation.wake_at.iter_mut().for_each(earlier);
            let holder = conversation.holder.iter_mut();
            holder.for_each(|holder| earlier(&mut holder.expires_at));
            let pending = conversation.inbounds.values_mut();
            let pending = pending.filter(|row| row.state == InboundState::Queued);
            pending.for_each(|row| earlier(&mut row.accepted_at));
            let open = conversation.outbox.values_mut();
            let open = open.filter(|row| row.settled_at.is_none());
            open.filter_map(|row| row.until.as_mut()).for_each(earlier);
        }
    }

    fn show(&mut self, life: Life) {
        let shown = LifeRow {
            id: life.process,
            started_at: life.now,
            heartbeat_at: life.now,
            expires_at: life.expires_at,
            stale: life.stale,
            ended: false,
            mourned: false,
        };
        match self.lives.iter_mut().find(|known| known.id == shown.id) {
            Some(known) => {
                *known = LifeRow {
                    started_at: known.started_at,
                    ..shown
                };
            }
            None => self.lives.push(shown),
        }
    }

    /// Until when a conversation is held, for whoever asks; none: it is free.
    /// Where several processes serve the rows, a claim of another also holds as
    /// long as that one shows signs of life; whoever said goodbye holds nothing.
    pub(super) fn held_until(
        &self,
        conversation: &Conversation,
        asking: Option<ProcessId>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let holder = conversation.holder?;
        let mut until = holder.expires_at;
        if self.replicated && asking != Some(holder.process) {
            let mut lives = self.lives.iter();
            if let Some(life) = lives.find(|life| life.id == holder.process) {
                if life.ended {
                    return None;
                }
                until = until.max(life.expires_at);
            }
        }
        (until > now).then_some(until)
    }

    /// Takes a claim that is over from another process. If that one did not say
    /// goodbye, it died.
    pub(super) fn free(&mut self, id: ConversationId, asking: ProcessId, now: Timestamp) {
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        let Some(holder) = conversation.holder else {
            return;
        };
        if !self.replicated || holder.process == asking {
            return;
        }
        conversation.holder = None;
        let mut lives = self.lives.iter();
        if lives.any(|life| life.id == holder.process && !life.ended) {
            conversation.held_at_death(now);
        }
    }
}

impl Conversation {
    /// Attempts on the wire at the death are in doubt, to be looked at at once; those
    /// of processes that may live, when their time was over by then.
    fn doubt_sending(&mut self, over_by: Option<Timestamp>, now: Timestamp) -> u64 {
        let mut count = 0;
        for row in self.outbox.values_mut() {
            let over = over_by.is_none_or(|by| row.until.is_none_or(|until| until <= by));
            if row.state == DeliveryState::Sending && over {
                row.state = DeliveryState::InDoubt;
                row.until = Some(now);
                count += 1;
            }
        }
        count
    }

    fn void(&mut self, process: ProcessId, now: Timestamp, found: &mut Recovery) {
        let holder = self.holder.take();
        let was_running = holder.is_some_and(|holder| holder.process != process);
        if !found.unclean {
            if let Some(turn) = self.open.and_then(|open| self.turns.get_mut(&open)) {
                turn.mode = ClaimMode::Normal;
            }
        } else if was_running {
            self.held_at_death(now);
        }
        found.turns_resumed += u64::from(was_running && self.open.is_some());
    }

    /// The process that held this conversation died. The turn may be the cause.
    fn held_at_death(&mut self, now: Timestamp) {
        self.holder = None;
        let Some(turn) = self.open.and_then(|open| self.turns.get_mut(&open)) else {
            return;
        };
        turn.mode = turn.after_death();
        if turn.deaths_alone >= DEATHS_OF_PROOF {
            self.give_up_crashed("turn.dead", now);
        } else if turn.mode != ClaimMode::Normal && turn.range.len() > 1 {
            self.split_until = turn.range.last().copied().unwrap_or_default();
            self.give_up_crashed("turn.split", now);
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
        self.note_crash(turn, now);
        let reason = Some(reason.to_owned());
        let (turn_state, inbound) = match action {
            // What a human has answered is not answered part by part, either.
            "turn.split" if self.silenced == Some(turn) => {
                (TurnState::Superseded, InboundState::AnsweredByHuman)
            }
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
