//! Keys of acts, which fail when they are told to.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;
use zupa_core::idempotency::{Begin, Begun, Keep};
use zupa_core::{Error, ErrorKind, IdempotencyKey, IdempotencyKeys, Result, Timestamp};
use zupa_testkit::MemoryStore;

/// Keys in memory.
#[derive(Debug, Default)]
pub struct FakeKeys {
    store: MemoryStore,
    /// What a call by this name fails with.
    pub fails: Mutex<Option<(&'static str, ErrorKind)>>,
    /// How long the next `begin` takes to answer, once it has begun.
    pub slow: Mutex<Duration>,
}

impl FakeKeys {
    fn check(&self, call: &str) -> Result<()> {
        match *self.fails.lock().unwrap() {
            Some((failing, kind)) if failing == call => Err(Error::new(kind, "no keys")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl IdempotencyKeys for FakeKeys {
    async fn begin(&self, begin: Begin) -> Result<Begun> {
        self.check("begin")?;
        let slow = std::mem::take(&mut *self.slow.lock().unwrap());
        let begun = self.store.begin(begin).await;
        tokio::time::sleep(slow).await;
        begun
    }

    async fn keep(&self, keep: Keep) -> Result<bool> {
        self.check("keep")?;
        self.store.keep(keep).await
    }

    async fn free(&self, key: IdempotencyKey, holder: Uuid) -> Result<()> {
        self.check("free")?;
        self.store.free(key, holder).await
    }

    async fn forget(&self, now: Timestamp, limit: usize) -> Result<u64> {
        self.store.forget(now, limit).await
    }
}
