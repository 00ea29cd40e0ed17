//! A few steps along the path, for a process with a clock of its own.

use std::time::Duration;

use zupa_core::store::{
    Accept, Accepted, Batch, Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Commit, Due, Finish,
    Finished, Life, OutboxRow, TurnEnd, Verdict,
};
use zupa_core::{
    Address, Alias, Burst, ChannelId, Content, ConversationId, DeliveryState, EventId, Ids,
    Inbound, Lane, Outbound, PlatformId, ProcessId, Result, Store, TenantId, Timestamp, TurnId,
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
        Finish {
            turn: turn.turn,
            conversation: turn.conversation,
            epoch: turn.epoch,
            end: TurnEnd::Commit(Commit {
                verdict: Verdict::Answered,
                outbound: vec![OutboxRow {
                    outbound: Outbound {
                        content: Content::text("hi"),
                        lane: Lane::Reply,
                    },
                    state: DeliveryState::Sent,
                    answer_by: None,
                }],
            }),
            audit_head: turn.audit,
            audit: Vec::new(),
        }
    }

    pub async fn finish(&self, finish: Finish) -> Result<Finished> {
        let batch = Batch {
            finish: vec![finish],
            ..self.batch()
        };
        self.store.write(batch).await?.finish.remove(0)
    }
}
