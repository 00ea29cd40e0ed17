//! A store on which people talk: messages accepted, claimed and answered.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;
use zupa_core::store::{Accept, Accepted, Batch, Life};
use zupa_core::{
    Address, Alias, Burst, ChannelId, Content, ConversationId, EventId, Ids, Inbound, PlatformId,
    ProcessId, Store, TenantId, Timestamp,
};
use zupa_sqlite::{SqliteConfig, SqliteStore};

/// Ids of the machine's, so that two lives of a store never meet.
#[derive(Debug)]
struct Fresh;

impl Ids for Fresh {
    #[expect(clippy::disallowed_methods, reason = "ids that no other life has")]
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn random(&self) -> u64 {
        self.fresh().as_u64_pair().1
    }
}

/// An open store.
pub struct Talk {
    pub store: SqliteStore,
    said: AtomicU32,
}

impl Talk {
    /// Opens it and takes it over.
    pub async fn on(path: &Path) -> Self {
        let store = SqliteStore::open(SqliteConfig::at(path)).await.unwrap();
        let life = Life {
            process: ProcessId(Fresh.fresh()),
            now: Timestamp(1),
            expires_at: Timestamp(2),
            stale: 0,
        };
        store.recover(life).await.unwrap();
        Self {
            store,
            said: AtomicU32::new(0),
        }
    }

    /// So many messages, durable when it returns.
    pub async fn say(&self, messages: u32) {
        for _ in 0..messages {
            let number = self.said.fetch_add(1, Ordering::Relaxed);
            let batch = Batch {
                now: Timestamp(1_000 + i64::from(number)),
                accept: vec![message(number)],
                ..Batch::default()
            };
            let applied = self.store.write(batch).await.unwrap();
            let accepted = applied.accept.into_iter().next().unwrap().unwrap();
            assert!(matches!(accepted, Accepted::Queued { .. }));
        }
    }
}

/// One of them.
pub fn message(number: u32) -> Accept {
    let address = Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("main").unwrap(),
        alias: Alias::parse(format!("c{}", number % 7)).unwrap(),
    };
    let mut inbound = Inbound::new(address, Content::text("x".repeat(500)));
    inbound.platform_id = PlatformId::parse(Fresh.fresh().to_string()).ok();
    Accept {
        event: EventId(Fresh.fresh()),
        conversation: ConversationId(Fresh.fresh()),
        inbound,
        burst: Burst::default(),
        expires_before: Timestamp(0),
        offer: None,
    }
}
