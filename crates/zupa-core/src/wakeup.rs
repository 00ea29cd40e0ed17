//! The `Wakeup` port: hints that work or news exist. Losing every one of them
//! costs latency, never a message, because polling the store is the truth.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::id::{Address, ConversationId};

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Nudge {
    /// A conversation has work.
    Due(ConversationId),
    /// A human has taken a conversation: a turn that runs shows nothing more.
    Held(ConversationId),
    /// Something was committed for whoever watches an address.
    News(Address),
}

/// Carries hints, in this process and perhaps to others.
#[async_trait]
pub trait Wakeup: Debug + Send + Sync + 'static {
    /// Tells whoever waits. Never blocks; drops the hint when there is no room.
    fn wake(&self, nudge: Nudge);

    /// Waits for the next hint.
    ///
    /// *Behaviour*: hints of one process arrive in order; any may be missing.
    /// News of this very process need not arrive: it has told its watchers.
    /// *Cancel safety*: safe, no hint is taken before the future resolves.
    async fn woken(&self) -> Nudge;
}
