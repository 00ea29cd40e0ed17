//! Waits, in memory: opened by commits, settled by whoever comes first.
//!
//! *Arrives*: decisions, and the time.
//! *Leaves*: a settled wait, and once nothing of its parked turn is open an
//! internal inbound at the end of the conversation.
//! *If the process dies here*: both were written under one lock, or not.

use std::collections::BTreeSet;

use zupa_core::desk::Decided;
use zupa_core::store::Due;
use zupa_core::{
    AuditEntry, ClaimAct, ClaimActed, Content, ConversationId, Correlation, Decision, EventId,
    InboundState, NewWait, Number, PlatformId, Result, Timestamp, TurnId, Wait, WaitId, WaitKind,
    WaitState, Wake,
};

use super::planted::Planted;
use super::rows::{Conversation, InboundRow, Origin, State, WaitRow};

impl State {
    pub(super) fn expire(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        let mut over: Vec<_> = self
            .conversations
            .values()
            .filter(|conversation| conversation.open.is_none() && conversation.hold.is_none())
            .flat_map(|conversation| {
                conversation
                    .waits
                    .iter()
                    .enumerate()
                    .filter_map(|(at, row)| {
                        let expires_at = row.wait.opened.expires_at.filter(|by| *by <= now)?;
                        let is_open = row.wait.state == WaitState::Open;
                        // An answer that was accepted in time is on its way to a turn.
                        let answered = row.wait.opened.kind == WaitKind::Reply
                            && conversation.pending().any(|(_, inbound)| {
                                inbound.origin == Origin::External
                                    && inbound.accepted_at < expires_at
                            });
                        (is_open && !answered).then_some((
                            expires_at,
                            conversation.id,
                            at,
                            row.wait.opened.id,
                        ))
                    })
            })
            .collect();
        over.sort_unstable();
        over.truncate(limit);
        let mut due = Vec::new();
        let mut told = BTreeSet::new();
        for (_, id, _, wait) in over {
            if self.settle_and_resume(id, wait, WaitState::Expired, None, now)? && told.insert(id) {
                due.extend(self.due_of(id));
            }
        }
        let left = limit.saturating_sub(due.len());
        due.extend(self.wake(now, left)?);
        Ok(due)
    }

    /// Wakes agents in conversations where nothing has happened and nothing will.
    fn wake(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        let quiet = self.conversations.values().filter(|conversation| {
            let is_idle = conversation.open.is_none() && conversation.pending().next().is_none();
            is_idle && conversation.hold.is_none()
        });
        let mut over: Vec<_> = quiet
            .filter_map(|conversation| Some((conversation.wake_at?, conversation.id)))
            .filter(|(wake_at, _)| *wake_at <= now)
            .collect();
        over.sort_unstable();
        over.truncate(limit);
        let mut due = Vec::new();
        for (_, id) in over {
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.hear_wake(Wake::Due, now)?;
                self.accepted += 1;
            }
            due.extend(self.due_of(id));
        }
        Ok(due)
    }

    pub(super) fn decide(
        &mut self,
        id: WaitId,
        decision: Decision,
        entry: AuditEntry,
    ) -> Result<Decided> {
        let now = entry.at;
        self.now = self.now.max(now);
        let Some(wait) = self.wait(id) else {
            return Ok(Decided::NotFound);
        };
        if wait.opened.kind != WaitKind::Decision {
            return Ok(Decided::NotTheirs(wait.opened.kind));
        }
        if wait.state != WaitState::Open && self.planted != Some(Planted::DecidesTwice) {
            return Ok(Decided::Already(wait.state));
        }
        let conversation = wait.conversation;
        if let Some(claim) = wait.claimed_by_another(&decision.by, now)
            && self.planted != Some(Planted::ClaimIgnored)
        {
            return Ok(Decided::Claimed(claim.clone()));
        }
        self.note(conversation, entry);
        let resumes =
            self.settle_and_resume(conversation, id, WaitState::Decided, Some(decision), now)?;
        let due = self.due_of(conversation).filter(|_| resumes);
        Ok(Decided::Done {
            conversation,
            due_at: due.map(|due| due.at),
        })
    }

    pub(super) fn claim_wait(
        &mut self,
        id: WaitId,
        act: &ClaimAct,
        entry: AuditEntry,
    ) -> ClaimActed {
        let now = entry.at;
        self.now = self.now.max(now);
        let Some(mut wait) = self.wait(id) else {
            return ClaimActed::NotFound;
        };
        if self.planted == Some(Planted::ClaimsTwice) {
            wait.claim = None;
        }
        let claim = match act.on(&wait, now) {
            Ok(claim) => claim,
            Err(refused) => return refused,
        };
        let conversation = wait.conversation;
        self.note(conversation, entry);
        let found = self.conversations.get_mut(&conversation);
        if let Some(wait) = found.and_then(|found| found.wait_mut(id)) {
            wait.claim = claim;
        }
        ClaimActed::Done
    }

    /// Appends to a conversation's audit.
    fn note(&mut self, conversation: ConversationId, entry: AuditEntry) {
        if let Some(found) = self.conversations.get_mut(&conversation) {
            let link = found.head().append(&found.stream(), entry, None);
            found.audit.push(link);
        }
    }

    pub(super) fn waits(&self, state: Option<WaitState>, limit: usize) -> Vec<Wait> {
        let rows = self.conversations.values().flat_map(|found| &found.waits);
        let mut waits: Vec<_> = rows
            .map(|row| row.wait.clone())
            .filter(|wait| state.is_none_or(|wanted| wanted == wait.state))
            .collect();
        waits.sort_by_key(|wait| wait.opened_at);
        waits.truncate(limit);
        waits
    }

    pub(super) fn wait(&self, id: WaitId) -> Option<Wait> {
        let mut found = self.conversations.values();
        found.find_map(|conversation| conversation.wait(id).cloned())
    }

    /// Settles an open wait. If nothing of its parked turn is open any more, the
    /// turn can go on: true.
    fn settle_and_resume(
        &mut self,
        id: ConversationId,
        wait: WaitId,
        state: WaitState,
        decision: Option<Decision>,
        now: Timestamp,
    ) -> Result<bool> {
        let planted = self.planted;
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Ok(false);
        };
        if planted == Some(Planted::DecidesTwice) {
            conversation.reopen(wait);
        }
        conversation.settle_wait(wait, state, decision, now);
        let resumes_early = planted == Some(Planted::ResumesEarly);
        if !conversation.nothing_open_beside(wait) && !resumes_early {
            return Ok(false);
        }
        conversation.hear_settled(wait, now)?;
        self.accepted += 1;
        Ok(true)
    }

    fn due_of(&self, conversation: ConversationId) -> Option<Due> {
        let found = self.conversations.get(&conversation)?;
        Some(Due {
            conversation,
            tenant: found.address.tenant.clone(),
            at: found.due_at()?,
        })
    }
}

impl Conversation {
    pub(super) fn open_wait(&mut self, opened: NewWait, turn: TurnId, now: Timestamp) {
        self.waits.push(WaitRow {
            wait: Wait {
                opened,
                turn,
                conversation: self.id,
                state: WaitState::Open,
                opened_at: now,
                settled_at: None,
                decision: None,
                claim: None,
            },
            opened_behind: self.last_number,
        });
    }

    /// The first who settles a wait wins.
    pub(super) fn settle_wait(
        &mut self,
        id: WaitId,
        state: WaitState,
        decision: Option<Decision>,
        now: Timestamp,
    ) {
        let mut rows = self.waits.iter_mut();
        if let Some(row) = rows.find(|row| row.wait.opened.id == id)
            && row.wait.state == WaitState::Open
        {
            row.wait.state = state;
            row.wait.settled_at = Some(now);
            row.wait.decision = decision;
        }
    }

    /// What a turn over a range that begins here has to do with waits.
    pub(super) fn handed(&self, first: Number) -> Vec<Wait> {
        let Some(first_row) = self.inbounds.get(&first) else {
            return Vec::new();
        };
        let waits = self.waits.iter();
        if let (Origin::Internal, Content::Settled { wait }) =
            (first_row.origin, &first_row.content)
        {
            let Some(settled) = self.wait(*wait) else {
                return Vec::new();
            };
            return waits
                .map(|row| &row.wait)
                .filter(|other| goes_on_with(settled, other))
                .cloned()
                .collect();
        }
        if first_row.origin == Origin::Internal {
            return Vec::new();
        }
        waits
            .rev()
            .filter(|row| row.opened_behind < first && row.wait.state == WaitState::Open)
            .map(|row| &row.wait)
            .filter(|wait| wait.opened.kind == WaitKind::Reply)
            .filter(|wait| {
                let by = wait.opened.expires_at;
                by.is_none_or(|by| by > first_row.accepted_at)
            })
            .cloned()
            .collect()
    }

    pub(super) fn wait(&self, id: WaitId) -> Option<&Wait> {
        let mut rows = self.waits.iter().map(|row| &row.wait);
        rows.find(|wait| wait.opened.id == id)
    }

    /// The planted defect: a settled wait can be settled again.
    fn reopen(&mut self, id: WaitId) {
        if let Some(wait) = self.wait_mut(id) {
            wait.state = WaitState::Open;
        }
    }

    fn wait_mut(&mut self, id: WaitId) -> Option<&mut Wait> {
        let mut rows = self.waits.iter_mut().map(|row| &mut row.wait);
        rows.find(|wait| wait.opened.id == id)
    }

    fn nothing_open_beside(&self, id: WaitId) -> bool {
        let Some(settled) = self.wait(id) else {
            return false;
        };
        let mut rows = self.waits.iter().map(|row| &row.wait);
        !rows.any(|other| goes_on_with(settled, other) && other.state == WaitState::Open)
    }

    /// The internal inbound of a settled wait, at the end of the line.
    fn hear_settled(&mut self, wait: WaitId, now: Timestamp) -> Result<()> {
        // No two inbounds come of one wait.
        self.hear_internal(EventId(wait.0), Content::Settled { wait }, now)
    }

    /// Something that nobody has said, at the end of the line.
    pub(super) fn hear_internal(
        &mut self,
        event: EventId,
        content: Content,
        now: Timestamp,
    ) -> Result<()> {
        let number = self.next_number();
        self.inbounds.insert(
            number,
            InboundRow {
                edited_at: None,
                event,
                origin: Origin::Internal,
                platform_id: PlatformId::parse(format!("internal:{event}"))?,
                accepted_at: now,
                platform_time: None,
                speaker: None,
                content,
                raw: None,
                correlation: Correlation::default(),
                state: InboundState::Queued,
                reason: None,
                turn: None,
                duplicates: 0,
                redriven: false,
            },
        );
        Ok(())
    }
}

/// True for the waits of the same parked turn, and for the wait itself: those
/// that one internal inbound speaks for.
fn goes_on_with(settled: &Wait, other: &Wait) -> bool {
    match settled.opened.resume {
        Some(_) => other.turn == settled.turn && other.opened.resume.is_some(),
        None => other.opened.id == settled.opened.id,
    }
}
