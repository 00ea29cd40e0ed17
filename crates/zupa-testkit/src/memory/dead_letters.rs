//! Dead letters, in memory: they follow the rows that give up.
//!
//! *Arrives*: failures, ends of inbounds and deliveries, acts of operators.
//! *Leaves*: one dead letter for each row that gave up, which stands as that row does.
//! *If the process dies here*: all was written under one lock, or nothing.

use std::sync::Arc;

use zupa_core::store::FailureNote;
use zupa_core::{
    AuditEntry, Content, Correlation, DeadAttempt, DeadLetter, DeadLetterAct, DeadLetterActed,
    DeadLetterFilter, DeadLetterId, DeadLetterStanding, DeadLetterState, DeadLetterStats,
    DeadLetterView, DeadLettersKept, DeliveryId, DeliveryState, EffectClass, Error, ErrorKind,
    EventId, InboundState, Lane, Number, RawPayload, ReceiptLevel, Result, Timestamp, TurnId,
};

use super::planted::Planted;
use super::rows::{Conversation, DeadLetterRow, DeliveryRow, InboundRow, Origin, State};

impl State {
    /// Writes dead letters for what has given up, and ends those of what has ended well.
    pub(super) fn follow_dead_letters(&mut self, now: Timestamp) {
        if self.planted == Some(Planted::NoDeadLetters) {
            return;
        }
        let failing = self.conversations.values_mut();
        for conversation in failing.filter(|conversation| !conversation.failures.is_empty()) {
            conversation.follow(&mut self.dead_letters, now);
        }
    }

    pub(super) fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        let mut rows: Vec<_> = self.dead_letter_rows().collect();
        rows.sort_by_key(|row| row.place);
        let behind = match after {
            None => 0,
            Some(after) => {
                let place = rows.iter().position(|row| row.letter.id == after);
                let unknown = || Error::new(ErrorKind::NotFound, "there is no such dead letter");
                place.ok_or_else(unknown)? + 1
            }
        };
        let letters = rows.into_iter().skip(behind).map(|row| &row.letter);
        let wanted = letters.filter(|letter| filter.matches(letter));
        Ok(wanted.take(limit).cloned().collect())
    }

    pub(super) fn dead_letter(&self, id: DeadLetterId) -> Option<DeadLetterView> {
        self.conversations.values().find_map(|conversation| {
            let mut rows = conversation.dead_letters.iter();
            let row = rows.find(|row| row.letter.id == id)?;
            Some(DeadLetterView {
                letter: row.letter.clone(),
                attempts: conversation.failures_of(id).cloned().collect(),
                content: conversation.content_of(id),
                raw: conversation.raw_of(id),
            })
        })
    }

    pub(super) fn dead_letter_stats(&self) -> DeadLetterStats {
        let mut stats = DeadLetterStats::default();
        for DeadLetterRow { letter, .. } in self.dead_letter_rows() {
            let (is, of) = (
                (letter.state, letter.id.kind()),
                (letter.class.as_str(), letter.tenant.as_str()),
            );
            stats.add(is, of, 1, letter.first_failed_at);
        }
        stats
    }

    fn dead_letter_rows(&self) -> impl Iterator<Item = &DeadLetterRow> {
        let conversations = self.conversations.values();
        conversations.flat_map(|conversation| &conversation.dead_letters)
    }

    pub(super) fn act_on_dead_letter(
        &mut self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> DeadLetterActed {
        let now = entry.at;
        self.now = self.now.max(now);
        let mut conversations = self.conversations.values_mut();
        let found = conversations.find_map(|conversation| {
            let standing = conversation.standing(id)?;
            Some((conversation, standing))
        });
        let Some((conversation, standing)) = found else {
            return DeadLetterActed::NotFound;
        };
        let twice = self.planted == Some(Planted::RedrivenTwice)
            && standing.state == DeadLetterState::Reprocessing;
        if let Some(refused) = act.refused(standing).filter(|_| !twice) {
            return refused;
        }
        conversation.append(entry);
        let words = match &act {
            DeadLetterAct::Edit { text, .. } => Some(text.clone()),
            _ => None,
        };
        let is_redriven = conversation.mark(id, act, now);
        if is_redriven {
            match id {
                DeadLetterId::Inbound(event) => {
                    let number = conversation.requeue(event, words);
                    let mut seen = self.ledger.values_mut();
                    if let Some(seen) = seen.find(|seen| seen.event == event) {
                        seen.number = number;
                    }
                }
                DeadLetterId::Delivery(delivery) => conversation.send_late(delivery),
            }
        }
        DeadLetterActed::Done {
            conversation: conversation.id,
            due_at: conversation.due_at(),
        }
    }

    pub(super) fn purge_failures(&mut self, before: Timestamp, limit: usize) -> DeadLettersKept {
        let mut kept = DeadLettersKept::default();
        let mut left = limit;
        for conversation in self.conversations.values_mut() {
            kept.gone += conversation.purge_failures(before, &mut left);
        }
        let pending = |row: &&DeadLetterRow| row.letter.state == DeadLetterState::Pending;
        kept.pending = self.dead_letter_rows().filter(pending).count() as u64;
        kept
    }
}

impl Conversation {
    /// Keeps a failure of a turn with every inbound of its range.
    pub(super) fn note_failure(
        &mut self,
        turn: TurnId,
        failure: &FailureNote,
        not_before: Option<Timestamp>,
        now: Timestamp,
    ) {
        let attempt = DeadAttempt {
            at: now,
            turn,
            run: 0,
            class: failure.kind.as_str().into(),
            message: failure.message.clone(),
            not_before,
            counted: failure.counts,
        };
        self.note(attempt);
    }

    /// The same for a turn that has taken processes down.
    pub(super) fn note_crash(&mut self, turn: TurnId, now: Timestamp) {
        self.note(DeadAttempt {
            at: now,
            turn,
            run: 0,
            class: "crashed".into(),
            message: "crashed".into(),
            not_before: None,
            counted: true,
        });
    }

    fn note(&mut self, mut attempt: DeadAttempt) {
        let Some(turn) = self.turns.get(&attempt.turn) else {
            return;
        };
        attempt.run = turn.runs;
        for number in &turn.range {
            if let Some(row) = self.inbounds.get(number) {
                let id = DeadLetterId::Inbound(row.event);
                self.failures.push((id, attempt.clone()));
            }
        }
    }

    fn failures_of(&self, id: DeadLetterId) -> impl Iterator<Item = &DeadAttempt> {
        let of = self.failures.iter().filter(move |(whose, _)| *whose == id);
        of.map(|(_, attempt)| attempt)
    }

    fn follow(&mut self, places: &mut u64, now: Timestamp) {
        let mut failed: Vec<_> = self.failures.iter().map(|(id, _)| *id).collect();
        failed.dedup();
        for id in failed {
            let known = self.dead_letters.iter().position(|row| row.letter.id == id);
            let fate = self.fate(id);
            let is_open = known.is_none_or(|at| match self.dead_letters[at].letter.state {
                DeadLetterState::Reprocessing => true,
                // Evidence has come after all.
                DeadLetterState::Pending => matches!(fate, Fate::Well),
                _ => false,
            });
            if !is_open {
                continue;
            }
            match (fate, known) {
                (Fate::GaveUp, Some(at)) => {
                    let again = self.letter(id);
                    let letter = &mut self.dead_letters[at].letter;
                    let tag = letter.tag.take();
                    if let Some(again) = again {
                        *letter = DeadLetter { tag, ..again };
                    }
                }
                (Fate::GaveUp, None) => {
                    *places += 1;
                    let (place, letter) = (*places, self.letter(id));
                    let row = letter.map(|letter| DeadLetterRow { place, letter });
                    self.dead_letters.extend(row);
                }
                (Fate::Well, Some(at)) => {
                    let letter = &mut self.dead_letters[at].letter;
                    (letter.state, letter.ended_at) = (DeadLetterState::Done, Some(now));
                }
                (Fate::CameToNothing(why), Some(at)) => {
                    let letter = &mut self.dead_letters[at].letter;
                    (letter.state, letter.reason) = (DeadLetterState::Pending, Some(why));
                }
                _ => {}
            }
        }
    }

    /// What has become of the row that a dead letter is about.
    fn fate(&self, id: DeadLetterId) -> Fate {
        match id {
            DeadLetterId::Inbound(event) => match self.inbound(event).map(|(_, row)| row) {
                Some(row) => match row.state {
                    InboundState::Dead => Fate::GaveUp,
                    InboundState::Refused | InboundState::Expired => {
                        Fate::nothing(row.state.as_str(), row.reason.as_deref())
                    }
                    state if state.has_ended() => Fate::Well,
                    _ => Fate::Open,
                },
                None => Fate::Open,
            },
            DeadLetterId::Delivery(delivery) => match self.delivery_row(delivery) {
                Some(row) => match row.state {
                    DeliveryState::Failed | DeliveryState::Unknown => Fate::GaveUp,
                    DeliveryState::Sent => Fate::Well,
                    DeliveryState::Cancelled => {
                        Fate::nothing(row.state.as_str(), row.reason.as_deref())
                    }
                    _ => Fate::Open,
                },
                None => Fate::Open,
            },
        }
    }

    fn letter(&self, id: DeadLetterId) -> Option<DeadLetter> {
        let (first, last) = (self.failures_of(id).next()?, self.failures_of(id).last()?);
        let correlation = match id {
            DeadLetterId::Inbound(event) => self.inbound(event)?.1.correlation.clone(),
            DeadLetterId::Delivery(delivery) => self.correlation_of(delivery.turn),
        };
        Some(DeadLetter {
            id,
            state: DeadLetterState::Pending,
            tenant: self.address.tenant.clone(),
            conversation: self.id,
            channel: self.address.channel.clone(),
            turn: last.turn,
            content: self.content_of(id)?.kind().into(),
            class: last.class.clone(),
            message: last.message.clone(),
            correlation,
            first_failed_at: first.at,
            last_failed_at: last.at,
            attempts: self.failures_of(id).count().try_into().unwrap_or(u32::MAX),
            tag: None,
            reason: self.reason_of(id),
            ended_at: None,
        })
    }

    /// What has become meanwhile of what gives up now.
    fn reason_of(&self, id: DeadLetterId) -> Option<String> {
        let DeadLetterId::Delivery(delivery) = id else {
            return None;
        };
        let row = self.delivery_row(delivery)?;
        row.taken_over
            .then(|| InboundState::AnsweredByHuman.as_str().into())
    }

    /// Says of pending letters that a human has replied since to what they are about.
    pub(super) fn letters_answered_by_human(&mut self, until: Timestamp) {
        let mut letters = std::mem::take(&mut self.dead_letters);
        for DeadLetterRow { letter, .. } in &mut letters {
            if letter.state == DeadLetterState::Pending && self.was_said_by(letter.id, until) {
                letter.reason = Some(InboundState::AnsweredByHuman.as_str().into());
            }
        }
        self.dead_letters = letters;
    }

    /// Whether a message was accepted by this time, or all that a delivery answers.
    fn was_said_by(&self, id: DeadLetterId, until: Timestamp) -> bool {
        match id {
            DeadLetterId::Inbound(event) => self
                .inbound(event)
                .is_none_or(|(_, row)| row.accepted_at <= until),
            DeadLetterId::Delivery(delivery) => self.turns.get(&delivery.turn).is_none_or(|turn| {
                let mut rows = turn.range.iter().filter_map(|at| self.inbounds.get(at));
                rows.all(|row| row.accepted_at <= until)
            }),
        }
    }

    /// Of the request that brought the first message of a turn.
    fn correlation_of(&self, turn: TurnId) -> Correlation {
        let range = self.turns.get(&turn).map(|turn| &turn.range);
        let first = range.and_then(|range| self.inbounds.get(range.first()?));
        first.map(|row| row.correlation.clone()).unwrap_or_default()
    }

    fn standing(&self, id: DeadLetterId) -> Option<DeadLetterStanding> {
        let mut rows = self.dead_letters.iter();
        let letter = &rows.find(|row| row.letter.id == id)?.letter;
        let (is_internal, is_reminder, is_unread, matters) = match id {
            DeadLetterId::Inbound(event) => {
                let (_, row) = self.inbound(event)?;
                let turns = self.failures_of(id).map(|attempt| attempt.turn);
                let turns = turns.filter_map(|turn| self.turns.get(&turn));
                let mut steps = turns.flat_map(|turn| &turn.steps);
                let matters = steps.any(|step| step.class != EffectClass::Pure);
                let wait = match &row.content {
                    Content::Settled { wait } => self.wait(*wait),
                    _ => None,
                };
                let is_reminder = wait.is_some_and(|wait| wait.opened.resume.is_none());
                let is_unread = row.content.undecoded().is_some();
                let is_internal = row.origin == Origin::Internal;
                (is_internal, is_reminder, is_unread, matters)
            }
            DeadLetterId::Delivery(delivery) => {
                let row = self.delivery_row(delivery)?;
                (false, false, false, row.may_have_left())
            }
        };
        let answered = InboundState::AnsweredByHuman.as_str();
        let is_answered =
            letter.state == DeadLetterState::Pending && letter.reason.as_deref() == Some(answered);
        Some(DeadLetterStanding {
            kind: id.kind(),
            state: letter.state,
            is_internal,
            is_reminder,
            is_unread,
            matters: matters || is_answered,
        })
    }

    /// Writes an act to the dead letter's row; true if it is to be tried again.
    fn mark(&mut self, id: DeadLetterId, act: DeadLetterAct, now: Timestamp) -> bool {
        let mut rows = self.dead_letters.iter_mut();
        let Some(row) = rows.find(|row| row.letter.id == id) else {
            return false;
        };
        let letter = &mut row.letter;
        (letter.state, letter.reason, letter.ended_at) = match act {
            DeadLetterAct::Retry { .. } | DeadLetterAct::Edit { .. } => {
                (DeadLetterState::Reprocessing, None, None)
            }
            DeadLetterAct::Discard { reason } => {
                (DeadLetterState::Discarded, Some(reason), Some(now))
            }
            DeadLetterAct::Poison { reason } => (DeadLetterState::Poison, Some(reason), Some(now)),
            DeadLetterAct::Tag(tag) => {
                letter.tag = tag;
                return false;
            }
            DeadLetterAct::Forget => {
                self.forget(id);
                return false;
            }
        };
        letter.state == DeadLetterState::Reprocessing
    }

    /// Moves an inbound to the end of the line.
    fn requeue(&mut self, event: EventId, words: Option<String>) -> Number {
        let number = self.next_number();
        let old = self.inbound(event).map(|(number, _)| number);
        if let Some(mut row) = old.and_then(|old| self.inbounds.remove(&old)) {
            (row.state, row.reason, row.turn) = (InboundState::Queued, None, None);
            row.redriven = true;
            if let Some(words) = words {
                row.content = Content::text(words);
            }
            self.inbounds.insert(number, row);
        }
        number
    }

    /// Moves a delivery to the end of the line, and out of its order.
    fn send_late(&mut self, delivery: DeliveryId) {
        let mut rows = self.outbox.iter();
        let old = rows.find(|(_, row)| row.id == delivery);
        let old = old.map(|(number, _)| *number);
        let Some(mut row) = old.and_then(|old| self.outbox.remove(&old)) else {
            return;
        };
        row.doubled += u32::from(row.may_have_left());
        row.attempts = 0;
        (row.state, row.reason, row.until) = (DeliveryState::Queued, None, None);
        row.unasked |= row.lane == Lane::Proactive;
        (row.late, row.lane, row.settled_at) = (true, Lane::Late, None);
        row.taken_over = false;
        let number = self.next_number();
        self.outbox.insert(number, row);
    }

    fn forget(&mut self, id: DeadLetterId) {
        self.dead_letters.retain(|row| row.letter.id != id);
        self.failures.retain(|(whose, _)| *whose != id);
        let DeadLetterId::Inbound(event) = id else {
            return;
        };
        let mut rows = self.inbounds.values_mut();
        // The bytes were kept for the letter alone.
        if let Some(row) = rows.find(|row| row.event == event)
            && let Content::Undecodable { payload } = &mut row.content
        {
            *payload = Arc::default();
        }
    }

    fn purge_failures(&mut self, before: Timestamp, left: &mut usize) -> u64 {
        let kept: Vec<_> = self.dead_letters.iter().map(|row| row.letter.id).collect();
        let over: Vec<_> = self
            .failures
            .iter()
            .map(|(id, attempt)| {
                let open = matches!(self.fate(*id), Fate::Open);
                let goes = *left > 0 && attempt.at < before && !open && !kept.contains(id);
                *left -= usize::from(goes);
                goes
            })
            .collect();
        let gone = over.iter().filter(|over| **over).count();
        let mut over = over.into_iter();
        self.failures.retain(|_| !over.next().unwrap_or_default());
        gone as u64
    }

    fn raw_of(&self, id: DeadLetterId) -> Option<RawPayload> {
        let DeadLetterId::Inbound(event) = id else {
            return None;
        };
        let (_, row) = self.inbound(event)?;
        RawPayload::shown(row.raw.clone(), Some(&row.content))
    }

    fn inbound(&self, event: EventId) -> Option<(Number, &InboundRow)> {
        let mut rows = self.inbounds.iter();
        rows.find(|(_, row)| row.event == event)
            .map(|(number, row)| (*number, row))
    }

    fn delivery_row(&self, id: DeliveryId) -> Option<&DeliveryRow> {
        self.outbox.values().find(|row| row.id == id)
    }

    fn content_of(&self, id: DeadLetterId) -> Option<Content> {
        match id {
            DeadLetterId::Inbound(event) => self.inbound(event).map(|(_, row)| row.content.clone()),
            DeadLetterId::Delivery(id) => self.delivery_row(id).map(|row| row.content.clone()),
        }
    }
}

impl DeliveryRow {
    /// Nobody knows whether it has left, or there is proof that it has.
    fn may_have_left(&self) -> bool {
        let proof = !matches!(self.receipt, ReceiptLevel::None | ReceiptLevel::Failed);
        self.state == DeliveryState::Unknown || self.doubled > 0 || proof
    }
}

/// What has become of what failed.
enum Fate {
    /// It is tried, or waits to be.
    Open,
    GaveUp,
    Well,
    /// It was cancelled, or turned away.
    CameToNothing(String),
}

impl Fate {
    fn nothing(state: &str, why: Option<&str>) -> Self {
        Self::CameToNothing(format!("{state}: {}", why.unwrap_or_default()))
    }
}
