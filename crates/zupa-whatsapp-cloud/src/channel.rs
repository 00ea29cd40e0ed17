//! The way out: one text is one request to the Graph API.

use std::time::Duration;

use async_trait::async_trait;
use zupa_core::channel::no_media;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Deduplicates, Hint, Media, Outgoing,
    Result, SendReceipt, TenantId, Timestamp, Voice,
};

use crate::door::WhatsAppCloud;

#[async_trait]
impl Channel for WhatsAppCloud {
    fn id(&self) -> &ChannelId {
        &self.0.channel
    }

    fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// Meta knows no idempotency key: a send without an answer waits for a status that
    /// carries ours.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            acknowledges: Acknowledges::OnSend,
            deduplicates: Deduplicates::Never,
            drafts: false,
            on_unknown: self.0.on_unknown,
        }
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        self.0.graph.send(message).await
    }

    /// Nobody tells when Meta has posted all that it had to say, so hearing nothing of a
    /// message never means that it has not left.
    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    fn voice(&self) -> Voice {
        Voice::TextOnly
    }

    async fn media(&self, _handle: &str, _max_bytes: u64, _timeout: Duration) -> Result<Media> {
        Err(no_media(&self.0.channel))
    }

    /// Typing is shown for a message that was received, by its id, which a hint does not
    /// know.
    fn hint(&self, _to: &Address, _hint: Hint) {}
}
