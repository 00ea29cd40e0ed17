//! What a case does with the first four stops of the path: accept, claim,
//! turn, commit.

use zupa_core::desk::TurnView;
use zupa_core::store::{
    Accept, Accepted, Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Commit, FailureNote, Finish,
    Finished, Offer, OutboxRow, Record, Recorded, TurnEnd, Verdict,
};
use zupa_core::{
    AuditEntry, AuditHead, AuditLink, Burst, Content, ConversationId, Correlation, DeliveryState,
    Digest, EffectClass, ErrorKind, EventId, Ids, Inbound, Number, Outbound, PlatformId, Result,
    Step, TurnId,
};

use super::{EXPIRY, World, address};
use zupa_core::store::Batch;

/// The newest version of a state that the processes here can load.
pub(in crate::contract) const LOADS: u32 = 1;

const DEDUPE_KEPT: std::time::Duration = std::time::Duration::from_secs(13 * 86_400);

impl World<'_> {
    /// A message of `alias` at the door, to be changed where a case needs it.
    pub fn message(&self, alias: &str, id: &str, text: &str) -> Accept {
        Accept {
            event: EventId(self.ids.fresh()),
            conversation: ConversationId(self.ids.fresh()),
            inbound: Inbound {
                address: address(alias),
                also: Vec::new(),
                speaker: None,
                platform_id: Some(PlatformId::parse(id).unwrap()),
                scope: String::new(),
                platform_time: Some(self.now),
                content: Content::text(text),
                raw: Some("{}".into()),
                correlation: Correlation::default(),
            },
            burst: Burst::default(),
            expires_before: self.now.minus(DEDUPE_KEPT),
            offer: None,
        }
    }

    pub async fn accept(&self, accept: Vec<Accept>) -> Vec<Result<Accepted>> {
        let count = accept.len();
        let batch = Batch {
            accept,
            ..self.batch()
        };
        let answers = self.write(batch).await.accept;
        assert_eq!(answers.len(), count, "one answer per inbound");
        answers
    }

    pub async fn accept_one(&self, accept: Accept) -> Accepted {
        self.accept(vec![accept]).await.remove(0).unwrap()
    }

    /// Accepts a new message under an id of its own.
    pub async fn hear(&self, alias: &str, text: &str) -> ConversationId {
        let id = self.ids.fresh().to_string();
        let accepted = self.accept_one(self.message(alias, &id, text)).await;
        queued(&accepted).0
    }

    pub fn wish(&self, conversation: ConversationId) -> Claim {
        Claim {
            conversation,
            turn: TurnId(self.ids.fresh()),
            process: self.process,
            expires_at: self.now.plus(EXPIRY),
            mode: ClaimMode::Normal,
            loads: LOADS,
        }
    }

    /// A worker that is free now.
    pub fn offer(&self) -> Offer {
        Offer {
            turn: TurnId(self.ids.fresh()),
            process: self.process,
            expires_at: self.now.plus(EXPIRY),
            loads: LOADS,
        }
    }

    pub async fn try_claim(&self, conversation: ConversationId) -> ClaimOutcome {
        self.try_claim_with(self.wish(conversation)).await
    }

    /// Asks as a worker does: as suspicion wants it, if there is any.
    pub async fn ask(&self, conversation: ConversationId) -> ClaimOutcome {
        match self.try_claim(conversation).await {
            ClaimOutcome::Suspected(mode) => {
                let claim = Claim {
                    mode,
                    ..self.wish(conversation)
                };
                self.try_claim_with(claim).await
            }
            outcome => outcome,
        }
    }

    pub async fn try_claim_with(&self, claim: Claim) -> ClaimOutcome {
        let batch = Batch {
            claim: vec![claim],
            ..self.batch()
        };
        self.write(batch).await.claim.remove(0).unwrap()
    }

    /// Claims what must be there to claim.
    pub async fn claim(&self, conversation: ConversationId) -> ClaimedTurn {
        taken(self.ask(conversation).await)
    }

    pub async fn claim_as(&self, conversation: ConversationId, mode: ClaimMode) -> ClaimedTurn {
        let claim = Claim {
            mode,
            ..self.wish(conversation)
        };
        taken(self.try_claim_with(claim).await)
    }

    pub async fn record(&self, turn: &ClaimedTurn, key: &str, result: &str) -> Recorded {
        let batch = Batch {
            record: vec![record_of(turn, key, result)],
            ..self.batch()
        };
        self.write(batch).await.record.remove(0).unwrap()
    }

    /// An end of a run, with one audit entry bound to the head of its claim.
    pub fn finish_of(&self, turn: &ClaimedTurn, end: TurnEnd) -> Finish {
        let action = match &end {
            TurnEnd::Commit(_) => "turn.committed",
            TurnEnd::Retry { .. } => "turn.retry",
            TurnEnd::Split { .. } => "turn.split",
            TurnEnd::Release => "turn.released",
        };
        Finish {
            turn: turn.turn,
            conversation: turn.conversation,
            epoch: turn.epoch,
            audit_head: turn.audit,
            audit: vec![self.link(turn.audit, turn, action)],
            end,
        }
    }

    pub fn link(&self, mut head: AuditHead, turn: &ClaimedTurn, action: &str) -> AuditLink {
        let entry = AuditEntry {
            at: self.now,
            actor: "agent".into(),
            action: action.into(),
            reason: String::new(),
            turn: Some(turn.turn),
            config: Digest::of(b"config"),
            commitment: Some(Digest::of(b"words")),
        };
        head.append(
            &turn.conversation.to_string(),
            entry,
            Some(self.ids.random()),
        )
    }

    pub async fn finish(&self, finish: Finish) -> Finished {
        let batch = Batch {
            finish: vec![finish],
            ..self.batch()
        };
        self.write(batch).await.finish.remove(0).unwrap()
    }

    pub async fn end(&self, turn: &ClaimedTurn, end: TurnEnd) -> Finished {
        self.finish(self.finish_of(turn, end)).await
    }

    /// Commits a turn whose one answer is delivered by the commit.
    pub async fn answer(&self, turn: &ClaimedTurn, text: &str) -> Number {
        let commit = answered(&[(text, DeliveryState::Sent)]);
        self.committed(turn, commit).await[0]
    }

    /// Commits a turn with rows in these states.
    pub async fn say(&self, turn: &ClaimedTurn, rows: &[(&str, DeliveryState)]) -> Vec<Number> {
        self.committed(turn, answered(rows)).await
    }

    pub async fn committed(&self, turn: &ClaimedTurn, mut commit: Commit) -> Vec<Number> {
        for row in &mut commit.outbound {
            row.answer_by = (row.state == DeliveryState::Sending).then(|| self.now.plus(EXPIRY));
        }
        match self.end(turn, TurnEnd::Commit(commit)).await {
            Finished::Done { numbers, .. } => numbers,
            other => panic!("a commit of the holder must be written, was {other:?}"),
        }
    }
}

/// A commit that answers with these rows.
pub(in crate::contract) fn answered(rows: &[(&str, DeliveryState)]) -> Commit {
    let rows = rows.iter().map(|(text, state)| OutboxRow {
        outbound: Outbound::reply(*text),
        state: *state,
        answer_by: None,
    });
    Commit::of(Verdict::Answered, rows.collect())
}

/// A commit that says nothing, with this verdict.
pub(in crate::contract) fn wordless(verdict: Verdict) -> TurnEnd {
    TurnEnd::Commit(Commit::of(verdict, Vec::new()))
}

/// A failure that counts.
pub(in crate::contract) fn failure() -> FailureNote {
    FailureNote {
        kind: ErrorKind::ContextLength,
        message: "the prompt is too long".into(),
        counts: true,
        asked: false,
    }
}

/// A failure of the provider, which does not count.
pub(in crate::contract) fn outage() -> FailureNote {
    FailureNote {
        kind: ErrorKind::Unavailable,
        message: "the model cannot be reached".into(),
        counts: false,
        asked: false,
    }
}

/// The result of an effect, as the first of its journal.
pub(in crate::contract) fn record_of(turn: &ClaimedTurn, key: &str, result: &str) -> Record {
    Record {
        turn: turn.turn,
        conversation: turn.conversation,
        epoch: turn.epoch,
        run: turn.runs,
        step: Step {
            key: key.into(),
            ordinal: 0,
            input: Digest::of(key.as_bytes()),
            class: EffectClass::Pure,
            result: Some(result.into()),
        },
        say: Vec::new(),
    }
}

pub(in crate::contract) fn queued(accepted: &Accepted) -> (ConversationId, Number) {
    match accepted {
        Accepted::Queued {
            conversation,
            number,
            ..
        } => (*conversation, *number),
        other => panic!("a first sighting must be queued, was {other:?}"),
    }
}

pub(in crate::contract) fn taken(outcome: ClaimOutcome) -> ClaimedTurn {
    match outcome {
        ClaimOutcome::Taken(turn) => *turn,
        other => panic!("the claim must be granted, was {other:?}"),
    }
}

/// The keys of a journal, in its order.
pub(in crate::contract) fn keys(view: &TurnView) -> Vec<&str> {
    view.steps.iter().map(|step| step.key.as_str()).collect()
}

/// What a turn was handed, text by text.
pub(in crate::contract) fn texts(turn: &ClaimedTurn) -> Vec<String> {
    turn.inbounds
        .iter()
        .map(|inbound| inbound.content.as_prompt_text())
        .collect()
}
