//! The web chat as a channel. Its committed outbox row *is* the delivery: the
//! event stream reads it by number, so there is nothing to send.

use async_trait::async_trait;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Deduplicates, Error, ErrorKind, Hint,
    Hints, Outgoing, Result, SendReceipt, TenantId,
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
            acknowledges: Acknowledges::AtCommit,
            deduplicates: Deduplicates::ByKey,
        }
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "the web chat has nothing to send, its commit is the delivery",
        )
        .with("delivery", message.delivery))
    }

    fn hint(&self, to: &Address, hint: Hint) {
        self.hints.publish(to, hint);
    }
}
