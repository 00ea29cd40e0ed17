//! Stop 4, `commit`, in memory.
//!
//! *Arrives*: ends of turns, each under the claim it ran under.
//! *Leaves*: range, outbox rows, state, waits, facts, audit entries and turn, all
//! or nothing; a stale end changes nothing.
//! *If the process dies here*: the batch was applied under one lock, or not.

use zupa_core::store::{
    ClaimMode, Commit, FailureNote, Finish, Finished, OutboxRow, TurnEnd, Verdict,
};
use zupa_core::{
    DeliveryId, DeliveryState, InboundState, Number, ReceiptLevel, Timestamp, TurnId, TurnState,
};

use super::planted::Planted;
use super::rows::{Conversation, DeliveryRow, InboundRow, State, TurnRow};

impl State {
    pub(super) fn finish(&mut self, finish: Finish, now: Timestamp) -> Finished {
        let planted = self.planted;
        let Some(conversation) = self.conversations.get_mut(&finish.conversation) else {
            return Finished::Stale;
        };
        if planted == Some(Planted::OutboxBeforeFence)
            && !conversation.is_held_by(finish.turn, finish.epoch)
            && let TurnEnd::Commit(commit) = &finish.end
        {
            conversation.write_outbox(finish.turn, &commit.outbound, 0, now);
        }

        if planted == Some(Planted::StateBeforeFence)
            && let TurnEnd::Commit(Commit {
                state: Some(state), ..
            }) = &finish.end
        {
            conversation.state = Some(state.clone());
        }

        let is_open = conversation.open == Some(finish.turn);
        let unfenced = planted == Some(Planted::CommitWithoutEpoch) && is_open;
        if !conversation.is_held_by(finish.turn, finish.epoch) && !unfenced {
            let ended_so = conversation
                .turns
                .get(&finish.turn)
                .is_some_and(|turn| turn.ended_at.is_some() && turn.epoch == finish.epoch);
            return if ended_so {
                conversation.already(finish.turn, planted)
            } else {
                Finished::Stale
            };
        }
        let head = conversation.head();
        if head != finish.audit_head && planted != Some(Planted::HeadNotCompared) {
            return Finished::HeadMoved(head);
        }

        conversation.audit.extend(finish.audit);
        conversation.holder = None;
        let held = conversation.silences(finish.turn);
        let numbers = match finish.end {
            TurnEnd::Commit(commit) => conversation.commit(finish.turn, commit, planted, now),
            TurnEnd::Retry {
                not_before,
                failure,
            } => {
                conversation.note_failure(finish.turn, &failure, Some(not_before), now);
                conversation.retry(finish.turn, not_before, &failure);
                Vec::new()
            }
            TurnEnd::Split { failure } => {
                conversation.note_failure(finish.turn, &failure, None, now);
                conversation.split(finish.turn, &failure, now);
                Vec::new()
            }
            TurnEnd::Release => Vec::new(),
        };
        Finished::Done {
            numbers,
            due_at: conversation.due_at(),
            held,
        }
    }
}

impl Conversation {
    fn commit(
        &mut self,
        id: TurnId,
        commit: Commit,
        planted: Option<Planted>,
        now: Timestamp,
    ) -> Vec<Number> {
        let (turn_state, inbound_state, reason) = match &commit.verdict {
            Verdict::Answered => (TurnState::Committed, InboundState::Answered, None),
            Verdict::Silent(why) => (
                TurnState::Committed,
                InboundState::Silent,
                Some(why.clone()),
            ),
            Verdict::Refused(why) => (
                TurnState::Committed,
                InboundState::Refused,
                Some(why.clone()),
            ),
            Verdict::Dead(failure) => (TurnState::Dead, InboundState::Dead, Some(line(failure))),
        };
        // Nothing of it has reached the person; whoever has the conversation answers.
        let inbound_state = match inbound_state {
            InboundState::Answered if self.silences(id) => InboundState::AnsweredByHuman,
            other => other,
        };
        let turn_state = if commit.parks() {
            TurnState::Parked
        } else {
            turn_state
        };
        let (mut said, place) = (0, Number(self.last_number.0 + 1));
        if let Some(turn) = self.turns.get_mut(&id) {
            (said, turn.place) = (turn.said, Some(place));
            match &commit.verdict {
                Verdict::Dead(failure) => turn.count(failure),
                Verdict::Answered | Verdict::Silent(_) | Verdict::Refused(_) => {
                    turn.provider_failures = 0;
                }
            }
        }
        if let Verdict::Dead(failure) = &commit.verdict {
            self.note_failure(id, failure, None, now);
        }
        self.end(id, turn_state, inbound_state, reason, now);
        let numbers = self.write_outbox(id, &commit.outbound, said, now);
        if let Some(state) = commit.state {
            (self.state, self.wake_at) = (Some(state), commit.wake_at);
        }
        for (wait, state) in commit.settles {
            self.settle_wait(wait, state, None, now);
        }
        for opened in commit.waits {
            self.open_wait(opened, id, now);
        }
        if self.silences(id) && planted != Some(Planted::AsksUnderHold) {
            // Nobody has heard the question.
            self.cancel_replies(now);
        }
        self.facts
            .extend(commit.facts.into_iter().map(|fact| (id, fact)));
        numbers
    }

    /// Ends the turn and every inbound of its range; the conversation goes on.
    pub(super) fn end(
        &mut self,
        id: TurnId,
        turn_state: TurnState,
        inbound_state: InboundState,
        reason: Option<String>,
        now: Timestamp,
    ) {
        self.open = None;
        self.holder = None;
        let Some(turn) = self.turns.get_mut(&id) else {
            return;
        };
        turn.state = turn_state;
        turn.ended_at = Some(now);
        turn.reason.clone_from(&reason);
        for number in &turn.range {
            if let Some(row) = self.inbounds.get_mut(number) {
                row.state = inbound_state;
                row.reason.clone_from(&reason);
            }
        }
    }

    /// Writes rows behind all that has a number, the first of them under this
    /// ordinal of the turn's.
    pub(super) fn write_outbox(
        &mut self,
        turn: TurnId,
        rows: &[OutboxRow],
        first_ordinal: u32,
        now: Timestamp,
    ) -> Vec<Number> {
        let mut numbers = Vec::new();
        let is_silenced = self.silences(turn);
        for (ordinal, row) in (first_ordinal..).zip(rows) {
            let number = self.next_number();
            let sent = row.state == DeliveryState::Sent;
            let mut written = DeliveryRow {
                id: DeliveryId { turn, ordinal },
                lane: row.outbound.lane,
                aside: row.outbound.aside,
                content: row.outbound.content.clone(),
                state: row.state,
                reason: None,
                attempts: u32::from(row.state == DeliveryState::Sending),
                tried_at: (row.state == DeliveryState::Sending).then_some(now),
                doubled: 0,
                until: row.answer_by,
                platform_id: None,
                receipt: ReceiptLevel::None,
                committed_at: now,
                settled_at: sent.then_some(now),
                late: false,
                heard_at: None,
                unasked: false,
                taken_over: false,
            };
            if is_silenced {
                written.hold_back(now);
            }
            self.outbox.insert(number, written);
            numbers.push(number);
        }
        numbers
    }

    /// What the end of a turn was answered, for a caller that did not hear it.
    fn already(&self, id: TurnId, planted: Option<Planted>) -> Finished {
        if planted == Some(Planted::NumbersForgotten) {
            return Finished::Already {
                numbers: Vec::new(),
                due_at: None,
                held: false,
            };
        }
        let said = self.turns.get(&id).map_or(0, |turn| turn.said);
        let rows = self
            .outbox
            .iter()
            .filter(|(_, row)| row.id.turn == id && row.id.ordinal >= said);
        Finished::Already {
            numbers: rows.clone().map(|(number, _)| *number).collect(),
            due_at: self.due_at(),
            held: rows.into_iter().any(|(_, row)| row.was_held()),
        }
    }

    /// The turn stays open; what comes meanwhile waits behind it.
    fn retry(&mut self, id: TurnId, not_before: Timestamp, failure: &FailureNote) {
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.count(failure);
            turn.state = TurnState::Retry;
            // It came back, so it did not take the process down.
            turn.mode = ClaimMode::Normal;
            (turn.not_before, turn.asked) = (Some(not_before), failure.asked);
            turn.reason = Some(line(failure));
        }
    }

    /// The turn is over, its inbounds are not: they go one by one.
    fn split(&mut self, id: TurnId, failure: &FailureNote, now: Timestamp) {
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.count(failure);
            self.split_until = turn.range.last().copied().unwrap_or_default();
        }
        // What a human has answered is not answered part by part, either.
        let inbound = match self.silenced == Some(id) {
            true => InboundState::AnsweredByHuman,
            false => InboundState::Queued,
        };
        let turn = TurnState::Superseded;
        self.end(id, turn, inbound, None, now);
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.reason = Some(line(failure));
        }
        // What is queued again belongs to no turn.
        let rows = self.inbounds.values_mut();
        let queued = |row: &&mut InboundRow| row.state == InboundState::Queued;
        for row in rows.filter(queued).filter(|row| row.turn == Some(id)) {
            row.turn = None;
        }
    }
}

impl TurnRow {
    fn count(&mut self, failure: &FailureNote) {
        if failure.counts {
            self.failures += 1;
            self.provider_failures = 0;
        } else {
            self.provider_failures += 1;
        }
    }
}

/// A failure as one line of a row.
fn line(failure: &FailureNote) -> String {
    format!("{}: {}", failure.kind.as_str(), failure.message)
}
