//! The world of one case: a fresh store, a process, and a time that the case
//! moves by hand.

pub(super) mod desk;
pub(super) mod path;
pub(super) mod waits;
pub(super) mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Barrier;
use zupa_core::desk::{Accounting, Line, TurnView};
use zupa_core::store::{Applied, Batch, Due, Life, Recovery};
use zupa_core::{
    Address, Alias, AuditLink, ChannelId, ConversationId, DeliveryId, DeliveryState, Desk, Error,
    ErrorKind, IdempotencyKeys, Ids, Message, Number, ProcessId, Result, Store, TenantId,
    Timestamp, TurnId, Wait,
};

use super::{Harness, Opened};
use crate::SeqIds;

/// How long a claim lasts here if nobody renews it.
pub(super) const EXPIRY: Duration = Duration::from_secs(10);

pub(super) struct World<'h> {
    harness: &'h dyn Harness,
    pub store: Arc<dyn Store>,
    pub desk: Arc<dyn Desk>,
    pub keys: Arc<dyn IdempotencyKeys>,
    pub process: ProcessId,
    pub now: Timestamp,
    pub ids: SeqIds,
}

/// What a reader can see of a conversation, to compare before and after.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    accounting: Accounting,
    backlog: u64,
    lines: Vec<Line>,
    history: Vec<Message>,
    audit: Vec<AuditLink>,
    turn: Option<TurnView>,
    waits: Vec<Wait>,
    due: Vec<Due>,
    deliveries: Vec<(DeliveryId, DeliveryState, u32)>,
    conversations: u64,
}

impl<'h> World<'h> {
    /// A fresh store, taken over by a first process.
    pub async fn open(harness: &'h dyn Harness) -> Self {
        let Opened { store, desk, keys } = harness.store().await;
        let ids = SeqIds::default();
        let world = Self {
            harness,
            store,
            desk,
            keys,
            process: ProcessId(ids.fresh()),
            now: Timestamp(1_767_225_600_000_000),
            ids,
        };
        let recovery = world.recover().await;
        assert_eq!(
            recovery,
            Recovery::default(),
            "a fresh store has nothing to mend"
        );
        world
    }

    /// The process dies, and shows no sign of life for as long as it takes to be
    /// taken for dead; then another one takes the store over.
    pub async fn die(mut self) -> (Self, Recovery) {
        self.pass(EXPIRY);
        self.succeed().await
    }

    /// Another process takes the store over.
    async fn succeed(self) -> (Self, Recovery) {
        let Self {
            harness,
            store,
            desk,
            keys,
            now,
            ids,
            ..
        } = self;
        // Whatever holds files or locks goes with the process.
        drop((store, desk, keys));
        let Opened { store, desk, keys } = harness.reopen().await;
        let world = Self {
            harness,
            store,
            desk,
            keys,
            process: ProcessId(ids.fresh()),
            now,
            ids,
        };
        let recovery = world.recover().await;
        world.assert_balanced().await;
        (world, recovery)
    }

    /// The process ends as it should; another one takes the store over.
    pub async fn restart(self) -> (Self, Recovery) {
        self.store.close(self.process).await.unwrap();
        self.succeed().await
    }

    pub async fn recover(&self) -> Recovery {
        self.store.recover(self.life()).await.unwrap()
    }

    /// A sign of life of this moment.
    pub fn life(&self) -> Life {
        Life {
            process: self.process,
            now: self.now,
            expires_at: self.now.plus(EXPIRY),
            stale: 0,
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    pub fn after(&self, seconds: u64) -> Timestamp {
        self.now.plus(Duration::from_secs(seconds))
    }

    /// An empty batch of this moment, to be filled.
    pub fn batch(&self) -> Batch {
        Batch {
            now: self.now,
            ..Batch::default()
        }
    }

    /// Writes a batch, and checks that no inbound got lost in the counts.
    pub async fn write(&self, batch: Batch) -> Applied {
        let applied = self.store.write(batch).await.unwrap();
        self.assert_balanced().await;
        applied
    }

    /// Writes batches from as many tasks, all at once.
    pub async fn write_at_once(&self, batches: Vec<Batch>) -> Vec<Applied> {
        let start = Arc::new(Barrier::new(batches.len()));
        let tasks = batches.into_iter().map(|batch| {
            let (store, start) = (Arc::clone(&self.store), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                store.write(batch).await
            })
        });
        let applied: Vec<Applied> = join_all(tasks)
            .await
            .into_iter()
            .map(|done| done.unwrap().unwrap())
            .collect();
        self.assert_balanced().await;
        applied
    }

    pub async fn assert_balanced(&self) {
        let counts = self.desk.accounting().await.unwrap();
        assert!(counts.is_balanced(), "the counts do not add up: {counts:?}");
    }

    pub async fn counts(&self) -> Accounting {
        self.desk.accounting().await.unwrap()
    }

    pub async fn due(&self) -> Vec<ConversationId> {
        let due = self.store.due(self.now, self.now, 100).await.unwrap();
        due.into_iter().map(|due| due.conversation).collect()
    }

    pub async fn view(&self, turn: TurnId) -> TurnView {
        let view = self.desk.turn(&turn.to_string()).await.unwrap();
        view.expect("the desk finds the turn")
    }

    pub async fn look(&self, alias: &str, conversation: ConversationId, turn: TurnId) -> Seen {
        let far = self.after(3600);
        let deliveries = self.due_by(far, 100).await;
        Seen {
            accounting: self.counts().await,
            backlog: self.store.backlog().await.unwrap(),
            lines: self
                .desk
                .lines(&address(alias), Number(0), 100)
                .await
                .unwrap(),
            history: self.history(conversation).await,
            audit: self.desk.audit(conversation).await.unwrap(),
            turn: self.desk.turn(&turn.to_string()).await.unwrap(),
            waits: self.desk.waits(None, 100).await.unwrap(),
            due: self.store.due(far, far, 100).await.unwrap(),
            deliveries: deliveries
                .into_iter()
                .map(|delivery| (delivery.id, delivery.state, delivery.attempts))
                .collect(),
            conversations: self.desk.status().await.unwrap().conversations,
        }
    }

    pub async fn history(&self, conversation: ConversationId) -> Vec<Message> {
        self.store.history(conversation, 100).await.unwrap()
    }
}

/// An alias of the default tenant's one door.
pub(super) fn address(alias: &str) -> Address {
    address_at("default", "door", alias)
}

pub(super) fn address_at(tenant: &str, channel: &str, alias: &str) -> Address {
    Address {
        tenant: TenantId::parse(tenant).unwrap(),
        channel: ChannelId::parse(channel).unwrap(),
        alias: Alias::parse(alias).unwrap(),
    }
}

/// A count by state; a state that nothing is in may be left out.
pub(super) fn count(counts: &BTreeMap<String, u64>, state: &str) -> u64 {
    counts.get(state).copied().unwrap_or(0)
}

/// The kind of error that an item failed with.
pub(super) fn kind<T: std::fmt::Debug>(answer: &Result<T>) -> Option<ErrorKind> {
    answer.as_ref().err().map(Error::kind)
}
