//! Stop 2, `claim`, in memory.
//!
//! *Arrives*: wishes to take a conversation.
//! *Leaves*: at most one holder per conversation, a raised epoch, a turn with
//! its range.
//! *If the process dies here*: the next start voids the claim; the turn stays
//! open and runs again over the same range with the same steps.

use zupa_core::store::{
    Accepted, Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Due, Offer, Renew, Renewed,
};
use zupa_core::{
    Claimed, Coming, ConversationId, Epoch, InboundState, Number, ProcessId, Result, Timestamp,
    TurnId, TurnState,
};

use super::planted::Planted;
use super::rows::{Conversation, Holder, State, TurnRow};

impl State {
    pub(super) fn claim(&mut self, claim: &Claim, now: Timestamp) -> ClaimOutcome {
        let planted = self.planted;
        let Some(conversation) = self.conversations.get(&claim.conversation) else {
            return ClaimOutcome::Nothing;
        };
        if conversation.due_at().is_none() {
            return ClaimOutcome::Nothing;
        }
        if conversation.hold.is_some() && planted != Some(Planted::HoldIgnored) {
            return ClaimOutcome::Paused;
        }
        if let Some(until) = self.held_until(conversation, Some(claim.process), now)
            && planted != Some(Planted::HolderIgnored)
        {
            return ClaimOutcome::Held(until);
        }
        // Before anything is written, the judgement over a death included.
        let version = conversation.state.as_ref().map_or(0, |state| state.version);
        if version > claim.loads && planted != Some(Planted::NewerTaken) {
            return ClaimOutcome::Newer;
        }
        self.free(claim.conversation, claim.process, now);
        let Some(conversation) = self.conversations.get_mut(&claim.conversation) else {
            return ClaimOutcome::Nothing;
        };
        let Some(due_at) = conversation.due_at() else {
            return ClaimOutcome::Nothing;
        };
        if due_at > now {
            return ClaimOutcome::NotYet(due_at);
        }
        if let Some(mode) = conversation.open_turn().map(|turn| turn.mode)
            && mode > claim.mode
            && planted != Some(Planted::SuspicionIgnored)
        {
            return ClaimOutcome::Suspected(mode);
        }

        let turn = conversation.open.unwrap_or(claim.turn);
        if conversation.open.is_none() {
            conversation.begin(turn, planted == Some(Planted::RangeMixes), now);
        } else if planted == Some(Planted::RangeGrows) {
            conversation.grow(turn);
        }
        conversation.open = Some(turn);
        conversation.epoch = Epoch(conversation.epoch.0 + 1);
        conversation.holder = Some(Holder {
            process: claim.process,
            expires_at: claim.expires_at,
        });
        let epoch = conversation.epoch;
        if let Some(row) = conversation.turns.get_mut(&turn) {
            row.state = TurnState::Running;
            row.epoch = epoch;
            row.runs += 1;
            row.not_before = None;
            row.mode = claim.mode;
        }
        match conversation.hand_over(turn, planted) {
            Some(claimed) => ClaimOutcome::Taken(Box::new(claimed)),
            None => ClaimOutcome::Nothing,
        }
    }

    /// Takes an offer up: as a claim, but never of a turn that is open.
    pub(super) fn take_up(
        &mut self,
        offer: Offer,
        accepted: &Result<Accepted>,
        now: Timestamp,
    ) -> Option<Box<ClaimedTurn>> {
        let Ok(Accepted::Queued { conversation, .. }) = accepted else {
            return None;
        };
        if self.conversations.get(conversation)?.open.is_some() {
            return None;
        }
        let claim = Claim {
            conversation: *conversation,
            turn: offer.turn,
            process: offer.process,
            expires_at: offer.expires_at,
            mode: ClaimMode::Normal,
            loads: offer.loads,
        };
        match self.claim(&claim, now) {
            ClaimOutcome::Taken(turn) => Some(turn),
            _ => None,
        }
    }

    pub(super) fn renew(&mut self, renew: &Renew) -> Renewed {
        if let Some(conversation) = self.conversations.get_mut(&renew.conversation)
            && conversation.epoch == renew.epoch
            && conversation.open == Some(renew.turn)
            && let Some(holder) = conversation.holder.as_mut()
        {
            holder.expires_at = renew.expires_at;
            Renewed::Held
        } else if self.planted == Some(Planted::RenewsAnything) {
            Renewed::Held
        } else {
            Renewed::Lost
        }
    }

    /// Makes due what waits for a provider that has not named the time.
    pub(super) fn hasten(&mut self, now: Timestamp, limit: usize) -> Vec<ConversationId> {
        self.now = self.now.max(now);
        let anything = self.planted == Some(Planted::HastensAnything);
        let mut waiting: Vec<_> = self
            .conversations
            .values_mut()
            .filter(|conversation| conversation.hold.is_none())
            .filter_map(|conversation| {
                let turn = conversation.turns.get_mut(&conversation.open?)?;
                let waits = turn.state == TurnState::Retry
                    && (turn.provider_failures > 0 && !turn.asked || anything);
                (waits && turn.not_before > Some(now)).then_some((turn, conversation.id))
            })
            .collect();
        waiting.sort_by_key(|(turn, conversation)| (turn.not_before, *conversation));
        waiting.truncate(limit);
        let hastened = waiting.into_iter().map(|(turn, conversation)| {
            turn.not_before = Some(now);
            conversation
        });
        hastened.collect()
    }

    pub(super) fn due(
        &self,
        asking: Option<ProcessId>,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Vec<Due> {
        let mut due: Vec<_> = self
            .conversations
            .values()
            .filter(|conversation| conversation.hold.is_none())
            .filter(|conversation| self.held_until(conversation, asking, now).is_none())
            .filter_map(|conversation| {
                conversation.due_at().map(|at| Due {
                    conversation: conversation.id,
                    tenant: conversation.address.tenant.clone(),
                    at,
                })
            })
            .filter(|due| due.at <= until)
            .collect();
        due.sort_by_key(|due| (due.at, due.conversation));
        due.truncate(limit);
        due
    }
}

impl Conversation {
    /// A new turn over the next range.
    fn begin(&mut self, id: TurnId, mixes: bool, now: Timestamp) {
        let range = self.next_range(mixes);
        self.mark_claimed(id, &range);
        self.turns.insert(
            id,
            TurnRow {
                id,
                state: TurnState::Running,
                range,
                epoch: Epoch(0),
                runs: 0,
                failures: 0,
                provider_failures: 0,
                claimed_at: now,
                ended_at: None,
                not_before: None,
                asked: false,
                reason: None,
                steps: Vec::new(),
                said: 0,
                place: None,
                mode: ClaimMode::Normal,
                deaths_alone: 0,
            },
        );
    }

    fn mark_claimed(&mut self, id: TurnId, range: &[Number]) {
        for number in range {
            if let Some(row) = self.inbounds.get_mut(number) {
                row.state = InboundState::Claimed;
                row.turn = Some(id);
            }
        }
    }

    /// The planted defect: what came meanwhile joins the open range.
    fn grow(&mut self, id: TurnId) {
        let late: Vec<Number> = self.pending().map(|(number, _)| number).collect();
        self.mark_claimed(id, &late);
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.range.extend(late);
        }
    }

    fn hand_over(&self, id: TurnId, planted: Option<Planted>) -> Option<ClaimedTurn> {
        let turn = self.turns.get(&id)?;
        let mut inbounds: Vec<_> = turn
            .range
            .iter()
            .filter_map(|number| {
                self.inbounds.get(number).map(|row| Claimed {
                    event: row.event,
                    number: *number,
                    accepted_at: row.accepted_at,
                    content: row.content.clone(),
                    speaker: match planted {
                        Some(Planted::SpeakerForgotten) => None,
                        _ => row.speaker.clone(),
                    },
                    coming: match row.redriven {
                        true => Coming::Redriven,
                        false if *number <= self.split_until => Coming::Divided,
                        false => Coming::New,
                    },
                })
            })
            .collect();
        if planted == Some(Planted::OrderBroken) {
            inbounds.reverse();
        }
        let mut steps = turn.steps.clone();
        steps.sort_by_key(|step| step.ordinal);
        let first = turn.range.first()?;
        let waits = self.handed(*first);
        let first = self.inbounds.get(first)?;
        Some(ClaimedTurn {
            turn: id,
            conversation: self.id,
            address: self.address.clone(),
            epoch: self.epoch,
            runs: turn.runs,
            failures: turn.failures,
            provider_failures: turn.provider_failures,
            inbounds,
            steps,
            said: turn.said,
            state: self.state.clone(),
            waits,
            audit: self.head(),
            outbox_busy: self.outbox.values().any(|row| row.state.is_open()),
            correlation: first.correlation.clone(),
        })
    }
}
