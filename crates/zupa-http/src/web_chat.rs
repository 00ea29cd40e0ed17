//! The web chat as a channel. Its committed outbox row *is* the delivery: the
//! event stream reads it by number, so there is nothing to send.

use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Deduplicates, Error, ErrorKind, Hint,
    Hints, Media, Outgoing, Result, SendReceipt, TenantId, Timestamp, Voice,
};

/// One web-chat door. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebChat {
    id: ChannelId,
    tenant: TenantId,
    hints: Hints,
}

impl WebChat {
    /// A door whose event streams watch `hints`; the runtime must publish into
    /// the same handle.
    pub fn new(id: ChannelId, tenant: TenantId, hints: Hints) -> Self {
        Self { id, tenant, hints }
    }

    pub(crate) fn channel(&self) -> &ChannelId {
        &self.id
    }

    pub(crate) fn hints(&self) -> &Hints {
        &self.hints
    }
}

#[async_trait]
impl Channel for WebChat {
    fn id(&self) -> &ChannelId {
        &self.id
    }

    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            drafts: true,
            ..Capabilities::new(Acknowledges::AtCommit, Deduplicates::ByKey)
        }
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "the web chat has nothing to send, its commit is the delivery",
        )
        .with("delivery", message.delivery))
    }

    /// Its commit is the delivery, so there is nothing to hear of.
    fn is_open(&self) -> bool {
        true
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    /// Its lines are text: readers would see the words of a voice message, and the
    /// audio would be paid for in vain.
    fn voice(&self) -> Voice {
        Voice::TextOnly
    }

    async fn media(&self, _handle: &str, _max_bytes: u64, _timeout: Duration) -> Result<Media> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "the web chat takes text alone, it has no media",
        ))
    }

    fn hint(&self, to: &Address, hint: Hint) {
        self.hints.publish(to, hint);
    }
}
