//! A door behind its policy: a deadline and a breaker, and no retry. The outbox tries
//! again, by its rows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{
    Address, Capabilities, Channel, ChannelId, Error, ErrorKind, Hint, Media, Outcome, Outgoing,
    Result, Retry, SendReceipt, TenantId, Timestamp, Voice,
};

use super::breaker::{Breaker, Permit};
use super::policy::Policy;

/// When to ask a platform again that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// A door behind its policy.
#[derive(Debug)]
pub(crate) struct GuardedChannel {
    pub inner: Arc<dyn Channel>,
    pub policy: Arc<Policy>,
}

impl GuardedChannel {
    /// The right to one send, to be taken before its attempt is on record: what an open
    /// breaker or an absent platform refuses must not spend an attempt.
    ///
    /// *Errors*: [`Outcome::NotApplied`], and the time of the next probe in
    /// [`Retry::After`].
    pub(crate) fn permit(&self) -> Result<Option<Permit>> {
        if !self.inner.is_open() {
            let away = Error::new(ErrorKind::Unavailable, "the platform is away")
                .with("channel", self.id())
                .with_retry(Retry::After(AGAIN))
                .with_outcome(Outcome::NotApplied);
            return Err(away);
        }
        self.policy.permit()
    }

    /// True if a send would be let through now.
    pub(crate) fn admits(&self) -> bool {
        self.inner.is_open() && self.policy.breaker().is_none_or(Breaker::admits)
    }

    /// As [`Channel::send`], with a permit that was taken before.
    pub(crate) async fn send_with(
        &self,
        permit: Option<Permit>,
        message: Outgoing,
    ) -> Result<SendReceipt> {
        let timeout = message.timeout.min(self.policy.timeout());
        let send = self.inner.send(Outgoing { timeout, ..message });
        self.policy.once(permit, timeout, send).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Channel for GuardedChannel {
    fn id(&self) -> &ChannelId {
        self.inner.id()
    }

    fn tenant(&self) -> &TenantId {
        self.inner.tenant()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        self.send_with(self.permit()?, message).await
    }

    fn is_open(&self) -> bool {
        self.inner.is_open()
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        self.inner.caught_up_since()
    }

    fn voice(&self) -> Voice {
        self.inner.voice()
    }

    /// Without the breaker: media comes from another place than where messages go.
    async fn media(&self, handle: &str, max_bytes: u64, timeout: Duration) -> Result<Media> {
        let timeout = timeout.min(self.policy.timeout());
        let fetched = self.inner.media(handle, max_bytes, timeout);
        tokio::time::timeout(timeout, fetched)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(
                    Error::new(ErrorKind::Timeout, "the media did not come in time")
                        .with("channel", self.id())
                        .with_retry(Retry::Now)
                        .with_outcome(Outcome::Unknown),
                )
            })
    }

    fn hint(&self, to: &Address, hint: Hint) {
        self.inner.hint(to, hint);
    }
}
