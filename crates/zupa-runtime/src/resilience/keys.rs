//! Idempotency keys behind their deadline.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;
use zupa_core::idempotency::{Begin, Begun, Keep};
use zupa_core::{IdempotencyKey, IdempotencyKeys, Result, Timestamp};

use super::store::within;

/// Keys whose calls end in time. What was too late may have been done: each method of
/// [`IdempotencyKeys`] says what that means.
#[derive(Debug)]
pub struct GuardedKeys {
    inner: Arc<dyn IdempotencyKeys>,
    timeout: Duration,
}

impl GuardedKeys {
    /// A call may take so long.
    pub fn new(inner: Arc<dyn IdempotencyKeys>, timeout: Duration) -> Self {
        Self { inner, timeout }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl IdempotencyKeys for GuardedKeys {
    async fn begin(&self, begin: Begin) -> Result<Begun> {
        within(self.timeout, "begin", self.inner.begin(begin)).await
    }

    async fn keep(&self, keep: Keep) -> Result<bool> {
        within(self.timeout, "keep", self.inner.keep(keep)).await
    }

    async fn free(&self, key: IdempotencyKey, holder: Uuid) -> Result<()> {
        within(self.timeout, "free", self.inner.free(key, holder)).await
    }

    async fn forget(&self, now: Timestamp, limit: usize) -> Result<u64> {
        within(self.timeout, "forget", self.inner.forget(now, limit)).await
    }
}
