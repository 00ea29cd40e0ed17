//! What operators and readers see, read from memory.

use zupa_core::desk::{
    Accounting, AuditView, DeliveryView, FailureView, InboundView, Line, Packed, ProcessState,
    ProcessView, Speaker, StepView, StoreStatus, TurnSummary, TurnView, WaitView,
};
use zupa_core::{
    Address, AuditLink, ConversationId, DeadLetterId, EventId, InboundState, Message, Number, Role,
    Timestamp, TurnId,
};

use super::rows::{Conversation, DeliveryRow, InboundRow, LifeRow, Origin, State, TurnRow};

impl State {
    /// Ids of ours are tried first; a platform may well use UUIDs, too.
    pub(super) fn turn_view(&self, id: &str) -> Option<TurnView> {
        let ours = uuid::Uuid::parse_str(id).ok();
        let by_turn = ours.and_then(|ours| {
            self.conversations.values().find_map(|conversation| {
                Some((conversation, conversation.turns.get(&TurnId(ours))?))
            })
        });
        if let Some((conversation, turn)) = by_turn {
            return Some(conversation.view(turn));
        }
        let by_event = self.find_inbounds(|row| Some(row.event.0) == ours);
        let mut named = match by_event.is_empty() {
            false => by_event,
            true => self.find_inbounds(|row| {
                row.origin == Origin::External && row.platform_id.as_str() == id
            }),
        };
        if let [(conversation, number, row)] = named[..] {
            return Some(conversation.view_by_inbound(number, row));
        }
        named.sort_by_key(|(_, _, row)| (std::cmp::Reverse(row.accepted_at), row.event));
        let mut each = named.into_iter();
        let (conversation, number, row) = each.next()?;
        let mut view = conversation.view_without_turn(number, row);
        let others = each.map(|(_, number, row)| row.view(number));
        view.inbounds.extend(others);
        Some(view)
    }

    fn find_inbounds(
        &self,
        wanted: impl Fn(&InboundRow) -> bool,
    ) -> Vec<(&Conversation, Number, &InboundRow)> {
        let mut found = Vec::new();
        for conversation in self.conversations.values() {
            let rows = conversation.inbounds.iter();
            let rows = rows.filter(|(_, row)| wanted(row));
            found.extend(rows.map(|(number, row)| (conversation, *number, row)));
        }
        found
    }

    pub(super) fn accounting(&self) -> Accounting {
        let mut counts = Accounting {
            accepted: self.accepted,
            ..Accounting::default()
        };
        for conversation in self.conversations.values() {
            for row in conversation.inbounds.values() {
                let side = if row.state.has_ended() {
                    &mut counts.ended
                } else {
                    &mut counts.open
                };
                *side.entry(row.state.as_str().into()).or_default() += 1;
            }
            for row in conversation.outbox.values() {
                let state = row.state.as_str().into();
                *counts.deliveries.entry(state).or_default() += 1;
            }
        }
        counts
    }

    pub(super) fn lines(&self, address: &Address, after: Number, limit: usize) -> Vec<Line> {
        let key = (
            address.tenant.clone(),
            address.channel.clone(),
            address.alias.clone(),
        );
        let Some(conversation) = self
            .aliases
            .get(&key)
            .and_then(|id| self.conversations.get(id))
        else {
            return Vec::new();
        };
        let heard = conversation.inbounds.iter();
        let people =
            heard
                .filter(|(_, row)| row.origin == Origin::External)
                .map(|(number, row)| Line {
                    number: *number,
                    from: Speaker::Person(row.platform_id.as_str().into()),
                    text: row.content.as_prompt_text(),
                    late: false,
                });
        let shown = conversation
            .outbox
            .iter()
            .filter(|(_, row)| !row.was_held());
        let agent = shown.map(|(number, row)| Line {
            number: *number,
            from: Speaker::Agent(row.id),
            text: row.content.as_prompt_text(),
            late: row.late,
        });
        let mut lines: Vec<_> = people
            .chain(agent)
            .filter(|line| line.number > after)
            .collect();
        lines.sort_by_key(|line| line.number);
        lines.truncate(limit);
        lines
    }

    /// What the model remembers: turn by turn, what each heard and said.
    pub(super) fn history(&self, conversation: ConversationId, limit: usize) -> Vec<Message> {
        let Some(conversation) = self.conversations.get(&conversation) else {
            return Vec::new();
        };
        let heard = conversation.inbounds.iter().filter_map(|(number, row)| {
            let well = matches!(row.state, InboundState::Answered | InboundState::Silent);
            let turn = row
                .turn
                .filter(|_| well && row.origin == Origin::External)?;
            let place = conversation.turns.get(&turn)?.place.unwrap_or(*number);
            let text = row.content.as_prompt_text();
            Some((
                (place, 0),
                Message {
                    number: *number,
                    role: Role::User,
                    text,
                },
            ))
        });
        let reached = conversation
            .outbox
            .iter()
            .filter(|(_, row)| !row.was_held());
        let spoken = reached.filter(|(_, row)| !row.aside);
        let said = spoken.map(|(number, row)| {
            let text = row.content.as_prompt_text();
            (
                (*number, 1),
                Message {
                    number: *number,
                    role: Role::Assistant,
                    text,
                },
            )
        });
        let mut lines: Vec<_> = heard.chain(said).collect();
        lines.sort_by_key(|((place, side), line)| (*place, *side, line.number));
        let surplus = lines.len().saturating_sub(limit);
        lines.drain(..surplus);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    pub(super) fn description(&self) -> StoreStatus {
        StoreStatus {
            engine: "memory".into(),
            location: "memory".into(),
            schema_version: 1,
            schema_wanted: 1,
            bytes: 0,
            log_bytes: 0,
            durability: "none".into(),
            conversations: self.conversations.len() as u64,
            packed: Packed::default(),
            processes: self
                .lives
                .iter()
                .rev()
                .map(|life| life.view(self.now))
                .collect(),
        }
    }
}

impl Conversation {
    fn view_by_inbound(&self, number: Number, row: &InboundRow) -> TurnView {
        if let Some(turn) = row.turn.and_then(|turn| self.turns.get(&turn)) {
            return self.view(turn);
        }
        self.view_without_turn(number, row)
    }

    fn view_without_turn(&self, number: Number, row: &InboundRow) -> TurnView {
        TurnView {
            turn: None,
            conversation: self.id,
            inbounds: vec![row.view(number)],
            steps: Vec::new(),
            waits: Vec::new(),
            deliveries: Vec::new(),
            failures: self.failures_of_runs(&[row.event]),
            hold: self.hold.clone(),
            audit: Vec::new(),
        }
    }

    fn view(&self, turn: &TurnRow) -> TurnView {
        let range = turn.range.iter();
        let events: Vec<_> = range
            .filter_map(|number| Some(self.inbounds.get(number)?.event))
            .collect();
        let mut failures = self.failures_of_runs(&events);
        failures.extend(self.failures_of_sends(turn.id));
        TurnView {
            failures,
            turn: Some(turn.summary()),
            conversation: self.id,
            inbounds: turn
                .range
                .iter()
                .filter_map(|number| self.inbounds.get(number).map(|row| row.view(*number)))
                .collect(),
            steps: turn.journal(),
            waits: self.waits_of(turn.id),
            deliveries: self
                .outbox
                .iter()
                .filter(|(_, row)| row.id.turn == turn.id)
                .map(|(number, row)| row.view(*number))
                .collect(),
            hold: self.hold.clone(),
            audit: self
                .audit
                .iter()
                .filter(|link| link.entry.turn == Some(turn.id))
                .map(audit_view)
                .collect(),
        }
    }
}

impl Conversation {
    /// A run over several inbounds has failed once.
    fn failures_of_runs(&self, events: &[EventId]) -> Vec<FailureView> {
        let mut failures: Vec<FailureView> = Vec::new();
        for (id, attempt) in &self.failures {
            let is_meant = matches!(id, DeadLetterId::Inbound(event) if events.contains(event));
            let failure = FailureView {
                delivery: None,
                attempt: attempt.clone(),
            };
            if is_meant && !failures.contains(&failure) {
                failures.push(failure);
            }
        }
        failures
    }

    fn failures_of_sends(&self, turn: TurnId) -> impl Iterator<Item = FailureView> {
        let failures = self.failures.iter();
        failures.filter_map(move |(id, attempt)| match id {
            DeadLetterId::Delivery(delivery) if delivery.turn == turn => Some(FailureView {
                delivery: Some(*delivery),
                attempt: attempt.clone(),
            }),
            _ => None,
        })
    }

    fn waits_of(&self, turn: TurnId) -> Vec<WaitView> {
        let waits = self.waits.iter().map(|row| &row.wait);
        waits
            .filter(|wait| wait.turn == turn)
            .map(|wait| WaitView {
                id: wait.opened.id,
                kind: wait.opened.kind,
                state: wait.state,
                expires_at: wait.opened.expires_at,
                decided_by: wait.decision.as_ref().map(|decision| decision.by.clone()),
            })
            .collect()
    }
}

impl LifeRow {
    fn view(&self, now: Timestamp) -> ProcessView {
        ProcessView {
            id: self.id,
            started_at: self.started_at,
            heartbeat_at: self.heartbeat_at,
            state: match (self.ended, self.expires_at > now) {
                (true, _) => ProcessState::Ended,
                (false, true) => ProcessState::Alive,
                (false, false) => ProcessState::Silent,
            },
            stale: self.stale,
        }
    }
}

impl TurnRow {
    fn journal(&self) -> Vec<StepView> {
        let mut steps: Vec<_> = self.steps.iter().collect();
        steps.sort_by_key(|step| step.ordinal);
        steps
            .into_iter()
            .map(|step| StepView {
                key: step.key.clone(),
                class: step.class,
                has_result: !step.is_intent(),
            })
            .collect()
    }

    fn summary(&self) -> TurnSummary {
        TurnSummary {
            id: self.id,
            state: self.state,
            first: self.range.first().copied().unwrap_or_default(),
            last: self.range.last().copied().unwrap_or_default(),
            epoch: self.epoch,
            runs: self.runs,
            failures: self.failures,
            claimed_at: self.claimed_at,
            ended_at: self.ended_at,
            not_before: self.not_before,
            reason: self.reason.clone(),
        }
    }
}

impl InboundRow {
    fn view(&self, number: Number) -> InboundView {
        InboundView {
            event: self.event,
            number,
            state: self.state,
            reason: self.reason.clone(),
            accepted_at: self.accepted_at,
            duplicates: self.duplicates,
            request_id: self.correlation.request_id.clone(),
            trace_id: self.correlation.trace_id.clone(),
        }
    }
}

impl DeliveryRow {
    fn view(&self, number: Number) -> DeliveryView {
        DeliveryView {
            id: self.id,
            number,
            state: self.state,
            reason: self.reason.clone(),
            attempts: self.attempts,
            receipt: self.receipt,
            late: self.late,
            doubled: self.doubled,
            settled_at: self.settled_at,
        }
    }
}

fn audit_view(link: &AuditLink) -> AuditView {
    AuditView {
        number: link.number,
        at: link.entry.at,
        actor: link.entry.actor.clone(),
        action: link.entry.action.clone(),
        reason: link.entry.reason.clone(),
        config: link.entry.config.to_hex(),
        hash: link.hash.to_hex(),
    }
}
