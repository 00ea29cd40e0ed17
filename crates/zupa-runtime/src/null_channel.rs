//! A door to nowhere: takes every message and drops repeats, for benchmarks and
//! for trying the path without a platform.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Deduplicates, Error, ErrorKind, Hint,
    Media, Outgoing, Result, SendReceipt, TenantId, Timestamp, Voice,
};

/// A door to nowhere.
#[derive(Debug)]
pub struct NullChannel {
    id: ChannelId,
    tenant: TenantId,
    sent: AtomicU64,
}

impl NullChannel {
    /// A door with a name.
    pub fn new(id: ChannelId, tenant: TenantId) -> Self {
        Self {
            id,
            tenant,
            sent: AtomicU64::new(0),
        }
    }

    /// Messages taken so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Channel for NullChannel {
    fn id(&self) -> &ChannelId {
        &self.id
    }

    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Acknowledges::OnSend, Deduplicates::ByKey)
    }

    async fn send(&self, _message: Outgoing) -> Result<SendReceipt> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(SendReceipt::default())
    }

    /// It hears nothing of what it has taken.
    fn is_open(&self) -> bool {
        true
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    /// Nowhere is as good a place for voice as for text.
    fn voice(&self) -> Voice {
        Voice::Sends
    }

    async fn media(&self, _handle: &str, _max_bytes: u64, _timeout: Duration) -> Result<Media> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "nothing comes from nowhere, so there is no media",
        ))
    }

    fn hint(&self, _to: &Address, _hint: Hint) {}
}
