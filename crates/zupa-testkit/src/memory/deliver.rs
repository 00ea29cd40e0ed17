//! Stop 5, `deliver`, in memory: attempts, and how they are settled.
//!
//! *Arrives*: wishes to send, results of sends.
//! *Leaves*: an attempt on record before the wire; states that only move
//! forward.
//! *If the process dies here*: an attempt on record without a result is in
//! doubt at the next start.

use std::time::Duration;

use zupa_core::store::{Attempt, Attempted, Delivery, OpenDoors, Settle, Settlement};
use zupa_core::{
    Content, DeadAttempt, DeadLetterId, DeliveryId, DeliveryState, Lane, Number, PairPace,
    ReceiptLevel, ReplyWindow, Timestamp, WhenClosed,
};

use super::planted::Planted;
use super::rows::{Conversation, DeliveryRow, InboundRow, Origin, State};

impl State {
    pub(super) fn attempt(&mut self, attempt: &Attempt, now: Timestamp) -> Attempted {
        let Some(conversation) = self.conversations.get_mut(&attempt.conversation) else {
            return Attempted::Lost;
        };
        let (is_held, wish) = (conversation.hold.is_some(), conversation.wish);
        let heard_at = conversation.heard_at();
        let window = attempt.window;
        let closed = window.filter(|window| !window.is_open(heard_at, now));
        let no_pace = self.planted == Some(Planted::PaceForgotten);
        let pace = attempt.pace.filter(|_| !no_pace);
        let paced = pace.map(|pace| pace.next(conversation.paced, now));
        match conversation.outbox.get_mut(&attempt.number) {
            Some(row) if is_held => {
                row.cancel_for_hold(now);
                Attempted::Lost
            }
            Some(row) if row.is_unwanted(wish) => {
                row.opt_out(now);
                Attempted::Lost
            }
            Some(row)
                if matches!(row.state, DeliveryState::Queued | DeliveryState::Retry)
                    && row.attempts + 1 == attempt.attempt =>
            {
                if let Some(window) = closed {
                    let kind = ReplyWindow::KIND;
                    let settlement = match window.closed {
                        WhenClosed::Template { .. } => return Attempted::Closed,
                        WhenClosed::Wait { at_most } if row.waits_on(at_most, heard_at, now) => {
                            return Attempted::Closed;
                        }
                        WhenClosed::Wait { .. } | WhenClosed::Review => Settlement::Failed { kind },
                        WhenClosed::Drop => Settlement::Cancelled { kind },
                    };
                    row.state = DeliveryState::InDoubt;
                    let end = Settle {
                        conversation: attempt.conversation,
                        number: attempt.number,
                        attempt: row.attempts,
                        settlement,
                    };
                    self.settle(end, now);
                    return Attempted::Ended;
                }
                if let Some(Err(until)) = paced {
                    row.put_off(until, PairPace::REASON);
                    return Attempted::Paced { until };
                }
                conversation.paced = paced.and_then(Result::ok).or(conversation.paced);
                row.state = DeliveryState::Sending;
                row.attempts = attempt.attempt;
                row.tried_at = Some(now);
                row.until = Some(attempt.answer_by);
                Attempted::Granted
            }
            _ => Attempted::Lost,
        }
    }

    pub(super) fn settle(&mut self, settle: Settle, now: Timestamp) {
        let moves_back = self.planted == Some(Planted::SettleMovesBack);
        let counts_doubled = self.planted != Some(Planted::DoubtForgotten);
        let Some(conversation) = self.conversations.get_mut(&settle.conversation) else {
            return;
        };
        let (tenant, channel) = (
            conversation.address.tenant.clone(),
            conversation.address.channel.clone(),
        );
        let Some(row) = conversation.outbox.get_mut(&settle.number) else {
            return;
        };
        match settle.settlement {
            Settlement::Sent { platform_id } => {
                row.sent(now);
                if row.platform_id.is_none()
                    && let Some(platform_id) = platform_id
                {
                    let early = self.early.remove(&(tenant, channel, platform_id.clone()));
                    row.receipt = row
                        .receipt
                        .max(early.map_or(ReceiptLevel::None, |early| early.level));
                    row.platform_id = Some(platform_id);
                }
            }
            other if moves_back || row.awaits_answer_to(settle.attempt) => {
                let (id, failure) = (row.id, failure_of(&other, settle.attempt, row.id, now));
                let is_resent = other == Settlement::Resend && !row.taken_over;
                row.doubled += u32::from(is_resent && counts_doubled);
                row.settle(other, now);
                if row.state == DeliveryState::Failed {
                    conversation.cancel_later_parts(id, now);
                }
                let failure = failure.map(|failure| (DeadLetterId::Delivery(id), failure));
                conversation.failures.extend(failure);
            }
            _ => {}
        }
    }

    /// The head of each conversation and lane, when its time has come.
    pub(super) fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Vec<Delivery> {
        let is_wanted = |delivery: &Delivery| {
            let door = &delivery.to.channel;
            let is_reply = delivery.lane == Lane::Reply;
            doors.all.contains(door) || (is_reply && doors.replies.contains(door))
        };
        let lanes_wait = self.planted == Some(Planted::LanesWait);
        let mut due: Vec<_> = self
            .conversations
            .values()
            .flat_map(|conversation| {
                conversation
                    .heads(lanes_wait, now)
                    .filter_map(move |(number, row)| conversation.delivery(number, row, now))
            })
            .filter(|(_, delivery)| is_wanted(delivery))
            .collect();
        due.sort_by_key(|(committed_at, delivery)| {
            let is_reply = delivery.lane == Lane::Reply;
            (
                !is_reply,
                *committed_at,
                delivery.conversation,
                delivery.number,
            )
        });
        due.truncate(limit);
        due.into_iter().map(|(_, delivery)| delivery).collect()
    }
}

/// What is said of an attempt that certainly did not leave.
const NOT_TAKEN: &str = "the channel did not take it";

/// What a settlement says of an attempt that failed.
fn failure_of(
    settlement: &Settlement,
    attempt: u32,
    delivery: DeliveryId,
    now: Timestamp,
) -> Option<DeadAttempt> {
    let (class, message, not_before) = match settlement {
        Settlement::Retry { not_before, kind } => (kind.as_str(), NOT_TAKEN, Some(*not_before)),
        Settlement::Failed { kind } => (kind.as_str(), NOT_TAKEN, None),
        Settlement::Unknown => ("unknown", "nobody knows whether it has left", None),
        _ => return None,
    };
    Some(DeadAttempt {
        at: now,
        turn: delivery.turn,
        run: attempt,
        class: class.into(),
        message: message.into(),
        not_before,
        counted: true,
    })
}

impl Conversation {
    /// The first open row of each lane; with the planted defect, of all. Behind one that waits
    /// for the person, the first template.
    fn heads(
        &self,
        lanes_wait: bool,
        now: Timestamp,
    ) -> impl Iterator<Item = (Number, &DeliveryRow)> {
        // What a lane waits for: the person, or what is to leave before.
        let mut lanes: Vec<(Option<Lane>, bool)> = Vec::new();
        self.outbox
            .iter()
            .filter(|(_, row)| row.state.is_open())
            .filter(move |(_, row)| {
                let lane = (!lanes_wait).then_some(row.lane);
                match lanes.iter_mut().find(|(known, _)| *known == lane) {
                    None => {
                        lanes.push((lane, self.is_awaited(row, now)));
                        true
                    }
                    Some((_, awaits))
                        if *awaits && matches!(row.content, Content::Template { .. }) =>
                    {
                        *awaits = false;
                        true
                    }
                    Some(_) => false,
                }
            })
            .map(|(number, row)| (*number, row))
    }

    /// When the person said something last, by the platform's word.
    fn heard_at(&self) -> Option<Timestamp> {
        let heard = self.inbounds.values();
        let heard = heard.filter(|row| row.origin == Origin::External);
        let said_at = |row: &InboundRow| {
            let said = row.platform_time.unwrap_or(row.accepted_at);
            said.min(row.accepted_at)
        };
        heard.map(said_at).max()
    }

    fn delivery(
        &self,
        number: Number,
        row: &DeliveryRow,
        now: Timestamp,
    ) -> Option<(Timestamp, Delivery)> {
        let its_time = row.until.is_none_or(|until| until <= now);
        let state = match row.state {
            DeliveryState::Queued => DeliveryState::Queued,
            DeliveryState::Retry if its_time || self.is_heard_since(row) => DeliveryState::Retry,
            DeliveryState::InDoubt | DeliveryState::Sending if its_time => DeliveryState::InDoubt,
            _ => return None,
        };
        let delivery = Delivery {
            id: row.id,
            conversation: self.id,
            number,
            to: self.address.clone(),
            content: row.content.clone(),
            lane: row.lane,
            state,
            attempts: row.attempts,
            tried_at: row.tried_at,
        };
        Some((row.committed_at, delivery))
    }

    /// Whether it waits for the person, and goes on doing so.
    fn is_awaited(&self, row: &DeliveryRow, now: Timestamp) -> bool {
        let its_time = row.until.is_none_or(|until| until <= now);
        row.waits_for_person() && !its_time && !self.is_heard_since(row)
    }

    /// Whether it has waited for the person, who was heard since.
    fn is_heard_since(&self, row: &DeliveryRow) -> bool {
        row.waits_for_person() && self.heard_at() > row.heard_at
    }

    /// A reply without its beginning is worse than none.
    fn cancel_later_parts(&mut self, failed: DeliveryId, now: Timestamp) {
        let said = self.turns.get(&failed.turn).map_or(0, |turn| turn.said);
        if failed.ordinal < said {
            // What was said with a step stands for itself.
            return;
        }
        for row in self.outbox.values_mut() {
            let later_part = row.id.turn == failed.turn && row.id.ordinal > failed.ordinal;
            if later_part && matches!(row.state, DeliveryState::Queued | DeliveryState::Retry) {
                row.state = DeliveryState::Cancelled;
                row.reason = Some("an earlier part failed".into());
                row.settled_at = Some(now);
            }
        }
    }
}

impl DeliveryRow {
    /// Evidence that the message left outweighs every guess, but not an end.
    pub(super) fn sent(&mut self, now: Timestamp) {
        if matches!(
            self.state,
            DeliveryState::Sent | DeliveryState::Failed | DeliveryState::Cancelled
        ) {
            return;
        }
        self.state = DeliveryState::Sent;
        self.reason = None;
        self.until = None;
        self.settled_at = Some(now);
    }

    /// Anything but `sent` speaks only of the attempt that has no answer yet.
    fn awaits_answer_to(&self, attempt: u32) -> bool {
        matches!(self.state, DeliveryState::Sending | DeliveryState::InDoubt)
            && self.attempts == attempt
    }

    fn waits_for_person(&self) -> bool {
        self.state == DeliveryState::Retry && self.reason.as_deref() == Some(ReplyWindow::REASON)
    }

    /// Has it wait for the person, if it has not done so for long enough since it was said,
    /// or since an operator tried it again; true if so.
    fn waits_on(&mut self, at_most: Duration, heard: Option<Timestamp>, now: Timestamp) -> bool {
        let over = match self.until {
            Some(over) if self.waits_for_person() => over,
            _ if self.lane == Lane::Late => now.plus(at_most),
            _ => self.committed_at.plus(at_most),
        };
        if over <= now {
            return false;
        }
        self.heard_at = heard;
        self.put_off(over, ReplyWindow::REASON);
        true
    }

    fn put_off(&mut self, until: Timestamp, reason: &str) {
        self.state = DeliveryState::Retry;
        self.until = Some(until);
        self.reason = Some(reason.to_owned());
    }

    fn settle(&mut self, settlement: Settlement, now: Timestamp) {
        (self.state, self.until, self.reason) = match settlement {
            Settlement::Sent { .. } => (DeliveryState::Sent, None, None),
            Settlement::Retry { not_before, kind } => {
                let reason = Some(kind.as_str().into());
                (DeliveryState::Retry, Some(not_before), reason)
            }
            Settlement::Failed { kind } => {
                (DeliveryState::Failed, None, Some(kind.as_str().into()))
            }
            Settlement::Cancelled { kind } => {
                let reason = Some(kind.as_str().into());
                (DeliveryState::Cancelled, None, reason)
            }
            Settlement::InDoubt { until } => (DeliveryState::InDoubt, Some(until), None),
            Settlement::Unknown => (DeliveryState::Unknown, None, Some("no evidence".into())),
            Settlement::SendAgain | Settlement::Resend => (DeliveryState::Queued, None, None),
        };
        self.settled_at = (!self.state.is_open()).then_some(now);
        if self.taken_over {
            self.cancel_for_hold(now);
        }
    }
}
