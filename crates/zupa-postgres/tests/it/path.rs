//! A few steps along the path, for a process with a clock of its own.

use std::time::Duration;

use zupa_core::desk::{Decided, Holding, NewHold, Releasing};
use zupa_core::store::{
    Accept, Accepted, Batch, Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Commit, Due, Finish,
    Finished, Life, OutboxRow, TurnEnd, Verdict,
};
use zupa_core::{
    Address, Alias, AuditEntry, Burst, ChannelId, Content, ConversationId, Decision, DeliveryState,
    Desk, Digest, EventId, HoldKind, Ids, Inbound, NewWait, Outbound, PlatformId, ProcessId,
    Result, Resume, Store, TenantId, Timestamp, TurnId, WaitId, WaitKind,
};
use zupa_postgres::PostgresStore;
use zupa_testkit::SeqIds;

/// How long a claim lasts here.
pub const EXPIRY: Duration = Duration::from_secs(10);

/// A process with its own connection and its own idea of the time.
pub struct Process {
    pub store: PostgresStore,
    pub id: ProcessId,
    pub now: Timestamp,
    pub ids: SeqIds,
}

impl Process {
    /// Starts a process whose clock shows `now`.
    pub async fn start(store: PostgresStore, ids: SeqIds, now: Timestamp) -> Self {
        let process = Self {
            store,
            id: ProcessId(ids.fresh()),
            now,
            ids,
        };
        process.store.recover(process.life()).await.unwrap();
        process
    }

    pub fn life(&self) -> Life {
        Life {
            process: self.id,
            now: self.now,
            expires_at: self.now.plus(EXPIRY),
            stale: 0,
        }
    }

    pub async fn heartbeat(&self) {
        self.store.heartbeat(self.life()).await.unwrap();
    }

    /// What is due by this process's clock.
    pub async fn due(&self) -> Vec<Due> {
        self.store.due(self.now, self.now, 100).await.unwrap()
    }

    pub fn batch(&self) -> Batch {
        Batch {
            now: self.now,
            ..Batch::default()
        }
    }

    pub fn message(&self, alias: &str, id: &str) -> Accept {
        let address = Address {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("door").unwrap(),
            alias: Alias::parse(alias).unwrap(),
        };
        let mut inbound = Inbound::new(address, Content::text("hello"));
        inbound.platform_id = Some(PlatformId::parse(id).unwrap());
        Accept {
            event: EventId(self.ids.fresh()),
            conversation: ConversationId(self.ids.fresh()),
            inbound,
            burst: Burst::default(),
            expires_before: Timestamp(0),
            offer: None,
        }
    }

    /// Accepts a new message.
    pub async fn hear(&self, alias: &str) -> ConversationId {
        let id = self.ids.fresh().to_string();
        let batch = Batch {
            accept: vec![self.message(alias, &id)],
            ..self.batch()
        };
        let accepted = self.store.write(batch).await.unwrap().accept.remove(0);
        match accepted.unwrap() {
            Accepted::Queued { conversation, .. } => conversation,
            other => panic!("the message must be queued, was {other:?}"),
        }
    }

    pub fn wish(&self, conversation: ConversationId, mode: ClaimMode) -> Claim {
        Claim {
            conversation,
            turn: TurnId(self.ids.fresh()),
            process: self.id,
            expires_at: self.now.plus(EXPIRY),
            mode,
            loads: u32::MAX,
        }
    }

    pub async fn ask_as(&self, conversation: ConversationId, mode: ClaimMode) -> ClaimOutcome {
        let batch = Batch {
            claim: vec![self.wish(conversation, mode)],
            ..self.batch()
        };
        let mut applied = self.store.write(batch).await.unwrap();
        applied.claim.remove(0).unwrap()
    }

    pub async fn ask(&self, conversation: ConversationId) -> ClaimOutcome {
        self.ask_as(conversation, ClaimMode::Normal).await
    }

    pub async fn claim(&self, conversation: ConversationId) -> ClaimedTurn {
        match self.ask(conversation).await {
            ClaimOutcome::Taken(turn) => *turn,
            other => panic!("the claim must be granted, was {other:?}"),
        }
    }

    /// The end of a turn that answers with one line.
    pub fn answer(&self, turn: &ClaimedTurn) -> Finish {
        self.leave(turn, Commit::of(Verdict::Answered, vec![sent("hi")]))
    }

    /// The end of a turn that leaves this.
    pub fn leave(&self, turn: &ClaimedTurn, commit: Commit) -> Finish {
        Finish {
            turn: turn.turn,
            conversation: turn.conversation,
            epoch: turn.epoch,
            end: TurnEnd::Commit(commit),
            audit_head: turn.audit,
            audit: Vec::new(),
        }
    }

    /// Hears something, and ends the turn with these waits.
    pub async fn park(&self, alias: &str, waits: Vec<NewWait>) -> ConversationId {
        let conversation = self.hear(alias).await;
        let turn = self.claim(conversation).await;
        let commit = Commit {
            waits,
            ..Commit::of(Verdict::Silent("waits".into()), Vec::new())
        };
        let finished = self.finish(self.leave(&turn, commit)).await.unwrap();
        assert!(matches!(finished, Finished::Done { .. }), "{finished:?}");
        conversation
    }

    /// A wait that ends this much later by this process's clock.
    pub fn wait_for(&self, kind: WaitKind, time: Duration) -> NewWait {
        NewWait {
            id: WaitId(self.ids.fresh()),
            kind,
            subject: "{}".into(),
            payload: "{}".into(),
            resume: (kind != WaitKind::Timer).then(|| Resume {
                node: "ask".into(),
                graph: Digest::of(b"graph"),
                state_version: 1,
            }),
            expires_at: Some(self.now.plus(time)),
        }
    }

    /// An operator's word, by this process's clock.
    pub async fn decide(&self, id: WaitId, approved: bool) -> Decided {
        let decision = Decision {
            by: "operator".into(),
            approved,
            note: String::new(),
        };
        let entry = self.act("wait.decided");
        self.store.decide(id, decision, entry).await.unwrap()
    }

    /// An operator takes a conversation, and may know when a human last wrote to it.
    pub async fn hold(&self, id: ConversationId, human_at: Option<Timestamp>) -> Holding {
        let wish = NewHold {
            kind: HoldKind::Operator,
            by: "operator".into(),
            human_at,
        };
        let entry = self.act("conversation.held");
        self.store.hold(id, wish, entry).await.unwrap()
    }

    /// An operator hands a conversation back.
    pub async fn release(&self, id: ConversationId, until: Option<Timestamp>) -> Releasing {
        let entry = self.act("conversation.released");
        self.store.release(id, until, entry).await.unwrap()
    }

    /// An operator ends a conversation's session.
    pub async fn end_session(&self, id: ConversationId) -> Option<Timestamp> {
        let entry = self.act("session.end_asked");
        self.store.end_session(id, entry).await.unwrap()
    }

    fn act(&self, action: &str) -> AuditEntry {
        AuditEntry {
            at: self.now,
            actor: "operator".into(),
            action: action.into(),
            reason: String::new(),
            turn: None,
            config: Digest::default(),
            commitment: None,
        }
    }

    /// What has run out of time by now, and who is due for it.
    pub async fn expire(&self, limit: usize) -> Vec<ConversationId> {
        let due = self.store.expire(self.now, limit).await.unwrap();
        due.into_iter().map(|due| due.conversation).collect()
    }

    pub async fn finish(&self, finish: Finish) -> Result<Finished> {
        let batch = Batch {
            finish: vec![finish],
            ..self.batch()
        };
        self.store.write(batch).await?.finish.remove(0)
    }
}

/// A row that needs no sending.
pub fn sent(text: &str) -> OutboxRow {
    OutboxRow {
        outbound: Outbound::reply(text),
        state: DeliveryState::Sent,
        answer_by: None,
    }
}
