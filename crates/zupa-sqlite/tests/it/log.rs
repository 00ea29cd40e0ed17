//! The log must not grow without end.

use std::sync::Arc;

use tempfile::TempDir;
use zupa_core::store::{Accept, Batch, Life};
use zupa_core::{
    Address, Alias, Burst, ChannelId, Content, ConversationId, Desk, EventId, Ids, Inbound,
    PlatformId, ProcessId, Store, TenantId, Timestamp,
};
use zupa_sqlite::{SqliteConfig, SqliteStore};
use zupa_testkit::SeqIds;

fn message(ids: &SeqIds, number: u32) -> Accept {
    let address = Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("main").unwrap(),
        alias: Alias::parse(format!("c{}", number % 50)).unwrap(),
    };
    let mut inbound = Inbound::new(address, Content::text("x".repeat(9_000)));
    inbound.platform_id = PlatformId::parse(format!("m{number}")).ok();
    Accept {
        event: EventId(ids.fresh()),
        conversation: ConversationId(ids.fresh()),
        inbound,
        burst: Burst::default(),
        expires_before: Timestamp(0),
        offer: None,
    }
}

/// The log's file stops growing once it is checkpointed: it starts anew from its
/// beginning instead of being added to.
#[tokio::test]
async fn the_log_is_bounded_by_checkpoints() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    let ids = SeqIds::default();
    let mut config = SqliteConfig::at(&path);
    config.durability = zupa_sqlite::Durability::Normal;
    let store = Arc::new(SqliteStore::open(config).await.unwrap());
    store
        .recover(Life {
            process: ProcessId(ids.fresh()),
            now: Timestamp(1),
            expires_at: Timestamp(1),
            stale: 0,
        })
        .await
        .unwrap();
    let mut sizes = Vec::new();
    let mut number = 0;
    for _ in 0..8 {
        for _ in 0..20 {
            let accept = (0..100).map(|at| message(&ids, number + at)).collect();
            number += 100;
            store
                .write(Batch {
                    now: Timestamp(2),
                    accept,
                    ..Batch::default()
                })
                .await
                .unwrap();
        }
        store.checkpoint().await.unwrap();
        sizes.push(store.status().await.unwrap().log_bytes);
    }
    let longest = sizes.iter().max().unwrap();
    assert!(*longest < 160 * 1024 * 1024, "the log has grown: {sizes:?}");
    assert!(sizes.last().unwrap() <= longest, "{sizes:?}");
    let accounting = store.accounting().await.unwrap();
    assert!(accounting.is_balanced());
    assert_eq!(accounting.accepted, u64::from(number));
}
