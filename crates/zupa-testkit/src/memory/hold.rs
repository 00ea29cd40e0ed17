//! A conversation in a human's hands, in memory.
//!
//! *Arrives*: operators who take a conversation, hand it back, or end its session.
//! *Leaves*: a hold or none, with its entry in the audit.
//! *If the process dies here*: all was written under one lock, or nothing.

use zupa_core::desk::{ConversationView, Holding, NewHold, Releasing};
use zupa_core::{
    AuditEntry, Content, ConversationId, DeliveryState, EffectClass, EventId, Hold, InboundState,
    Number, Result, Timestamp, TurnId, TurnState, WaitKind, WaitState, Wake, Wish,
};

use super::planted::Planted;
use super::rows::{Conversation, DeliveryRow, Origin, State};

impl State {
    pub(super) fn hold(&mut self, id: ConversationId, wish: NewHold, entry: AuditEntry) -> Holding {
        let now = entry.at;
        self.now = self.now.max(now);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Holding::NotFound;
        };
        if let Some(hold) = &mut conversation.hold {
            hold.human_at = hold.human_at.max(wish.human_at);
            return Holding::Already(hold.clone());
        }
        conversation.hold = Some(Hold {
            kind: wish.kind,
            by: wish.by,
            since: now,
            human_at: wish.human_at,
        });
        conversation.append(entry);
        for row in conversation.outbox.values_mut() {
            row.cancel_for_hold(now);
        }
        conversation.cancel_replies(now);
        self.follow_dead_letters(now);
        Holding::Done
    }

    pub(super) fn release(
        &mut self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Releasing {
        let (now, planted) = (entry.at, self.planted);
        self.now = self.now.max(now);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Releasing::NotFound;
        };
        let Some(hold) = conversation.hold.take() else {
            return Releasing::NotHeld;
        };
        conversation.handed_back_at = Some(now);
        conversation.append(entry);
        let until = match planted {
            Some(Planted::BacklogAnswered) => None,
            _ => answered_until.max(hold.human_at),
        };
        let answered = match until {
            Some(until) => conversation.answered_by_human(until, now),
            None => 0,
        };
        let due_at = conversation.due_at();
        self.follow_dead_letters(now);
        Releasing::Done { answered, due_at }
    }

    pub(super) fn end_session(
        &mut self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        let now = entry.at;
        self.now = self.now.max(now);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Ok(None);
        };
        conversation.append(entry);
        conversation.hear_wake(Wake::EndSession, now)?;
        self.accepted += 1;
        Ok(conversation.due_at())
    }

    pub(super) fn conversation(&self, id: ConversationId) -> Option<ConversationView> {
        self.conversations.get(&id).map(Conversation::overview)
    }

    pub(super) fn list(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Vec<ConversationView> {
        let newest_first = self.conversations.values().rev();
        newest_first
            .filter(|found| before.is_none_or(|before| found.id < before))
            .filter(|found| !held || found.hold.is_some())
            .take(limit)
            .map(Conversation::overview)
            .collect()
    }
}

impl Conversation {
    /// True when nothing of this turn may leave.
    pub(super) fn silences(&self, turn: TurnId) -> bool {
        self.hold.is_some() || self.silenced == Some(turn)
    }

    pub(super) fn append(&mut self, entry: AuditEntry) {
        let link = self.head().append(&self.stream(), entry, None);
        self.audit.push(link);
    }

    pub(super) fn cancel_replies(&mut self, now: Timestamp) {
        let open: Vec<_> = self
            .waits
            .iter()
            .map(|row| &row.wait)
            .filter(|wait| wait.state == WaitState::Open && wait.opened.kind == WaitKind::Reply)
            .map(|wait| wait.opened.id)
            .collect();
        for wait in open {
            self.settle_wait(wait, WaitState::Cancelled, None, now);
        }
    }

    /// Ends what a human has read and answered; answers how many messages.
    fn answered_by_human(&mut self, until: Timestamp, now: Timestamp) -> u64 {
        let mut ended = 0;
        self.letters_answered_by_human(until);
        if let Some(open) = self.open
            && self.is_answered(open, until)
        {
            if self.goes_on(open) {
                self.silenced = Some(open);
            } else {
                let (turn, inbound) = (TurnState::Superseded, InboundState::AnsweredByHuman);
                ended += self.turns.get(&open).map_or(0, |turn| turn.range.len());
                self.end(open, turn, inbound, None, now);
            }
        }
        for row in self.inbounds.values_mut() {
            let pending = row.state == InboundState::Queued && row.origin == Origin::External;
            if pending && row.accepted_at <= until {
                row.state = InboundState::AnsweredByHuman;
                ended += 1;
            }
        }
        ended as u64
    }

    /// True when all that a turn is about was said by the person, and before.
    fn is_answered(&self, turn: TurnId, until: Timestamp) -> bool {
        self.turns.get(&turn).is_some_and(|turn| {
            let rows = turn
                .range
                .iter()
                .filter_map(|number| self.inbounds.get(number));
            rows.clone().count() > 0
                && rows
                    .into_iter()
                    .all(|row| row.origin == Origin::External && row.accepted_at <= until)
        })
    }

    /// True for a turn that a process is on, or that has begun what matters.
    fn goes_on(&self, turn: TurnId) -> bool {
        let matters = self.turns.get(&turn).is_some_and(|turn| {
            let mut steps = turn.steps.iter();
            steps.any(|step| step.class != EffectClass::Pure)
        });
        self.holder.is_some() || matters
    }

    /// The internal inbound of a wake, at the end of the line.
    pub(super) fn hear_wake(&mut self, why: Wake, now: Timestamp) -> Result<()> {
        self.wake_at = None;
        let event = EventId::of_wake(self.id, Number(self.last_number.0 + 1));
        self.hear_internal(event, Content::Wake { why }, now)
    }

    fn overview(&self) -> ConversationView {
        ConversationView {
            id: self.id,
            address: self.address.clone(),
            hold: self.hold.clone(),
            pending: self.pending().count() as u64,
            open_turn: self.open,
            due_at: self.due_at(),
            wake_at: self.wake_at,
            opted_out: self.wished_at.filter(|_| self.wish == Wish::Nothing),
            state: self.state.clone(),
        }
    }
}

impl DeliveryRow {
    /// What is on the wire, or in doubt, is settled by evidence, and does not go out again.
    pub(super) fn cancel_for_hold(&mut self, now: Timestamp) {
        match self.state {
            DeliveryState::Queued | DeliveryState::Retry => {
                let attempts = self.attempts;
                self.hold_back(now);
                self.attempts = attempts;
            }
            DeliveryState::Sending | DeliveryState::InDoubt => {
                self.reason = Some(Hold::TAKEN_OVER.into());
                self.taken_over = true;
            }
            _ => {}
        }
    }

    pub(super) fn hold_back(&mut self, now: Timestamp) {
        (self.state, self.until) = (DeliveryState::Cancelled, None);
        self.reason = Some(Hold::REASON.into());
        self.attempts = 0;
        self.settled_at = Some(now);
    }

    /// True for what a hold has kept from the person.
    pub(super) fn was_held(&self) -> bool {
        self.state == DeliveryState::Cancelled && self.reason.as_deref() == Some(Hold::REASON)
    }
}
