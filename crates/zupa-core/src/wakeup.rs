//! The `Wakeup` port: hints that work exists. Losing every one of them costs
//! latency, never a message, because polling the store is the truth.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::id::ConversationId;

/// Hints that a conversation is due.
#[async_trait]
pub trait Wakeup: Debug + Send + Sync + 'static {
    /// Tells whoever waits that a conversation has work. Never blocks; drops
    /// the hint when there is no room.
    fn wake(&self, conversation: ConversationId);

    /// Waits for the next hint.
    ///
    /// *Behaviour*: hints of one process arrive in order; any may be missing.
    /// *Cancel safety*: safe, no hint is taken before the future resolves.
    async fn woken(&self) -> ConversationId;
}
