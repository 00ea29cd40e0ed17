//! A wire that lets through what a client needs and nothing else.
//!
//! Servers send their logs and progress as notifications, and rmcp writes each
//! one it sees into our log at level info, texts of people and all. Here they
//! end before rmcp sees them.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rmcp::RoleClient;
use rmcp::model::{JsonRpcMessage, NumberOrString, RequestId, ServerNotification};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// What a wire knows of itself.
#[derive(Debug)]
pub(crate) struct Signs {
    /// The server has said that its tools are others now.
    pub(crate) list_changed: AtomicBool,
    /// Nothing comes any more.
    pub(crate) has_ended: AtomicBool,
    /// The highest number of a request that was begun to be written.
    begun: AtomicI64,
}

impl Default for Signs {
    fn default() -> Self {
        Self {
            list_changed: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            begun: AtomicI64::new(-1),
        }
    }
}

impl Signs {
    /// False if it was certainly not. Numbers are given before requests stand in
    /// line, so one that waits behind a higher number counts as begun.
    pub(crate) fn was_begun(&self, id: &RequestId) -> bool {
        match id {
            NumberOrString::Number(id) => *id <= self.begun.load(Ordering::Acquire),
            NumberOrString::String(_) => true,
        }
    }
}

/// A transport without chatter.
pub(crate) struct Quiet<T> {
    inner: T,
    signs: Arc<Signs>,
}

impl<T> Quiet<T> {
    pub(crate) fn new(inner: T, signs: Arc<Signs>) -> Self {
        Self { inner, signs }
    }

    /// True if the client must see it.
    fn passes(&self, message: &RxJsonRpcMessage<RoleClient>) -> bool {
        let JsonRpcMessage::Notification(message) = message else {
            return true;
        };
        match message.notification {
            ServerNotification::ToolListChangedNotification(_) => {
                self.signs.list_changed.store(true, Ordering::Release);
                false
            }
            ServerNotification::CancelledNotification(_) => true,
            _ => false,
        }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Quiet<T> {
    type Error = T::Error;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let JsonRpcMessage::Request(request) = &item
            && let NumberOrString::Number(id) = &request.id
        {
            self.signs.begun.fetch_max(*id, Ordering::AcqRel);
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            // Cancelling is safe if it is for the wire beneath: nothing is held
            // here between two messages.
            match self.inner.receive().await {
                Some(message) if self.passes(&message) => return Some(message),
                Some(_chatter) => {}
                None => {
                    self.signs.has_ended.store(true, Ordering::Release);
                    return None;
                }
            }
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_begun_is_known() {
        let signs = Signs::default();
        let id = NumberOrString::Number;
        assert!(!signs.was_begun(&id(0)));
        signs.begun.fetch_max(3, Ordering::AcqRel);
        assert!(signs.was_begun(&id(0)) && signs.was_begun(&id(3)));
        assert!(!signs.was_begun(&id(4)));
    }
}
