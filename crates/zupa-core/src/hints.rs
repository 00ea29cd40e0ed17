//! Passing signs for whoever is watching a conversation: typing, pieces of an
//! answer, the stages of a turn. Lossy by design; the truth is in the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::id::{Address, TurnId};
use crate::time::Timestamp;

/// How many signs a slow watcher may fall behind before it misses some.
const KEPT: usize = 256;

/// A passing sign.
#[derive(Debug, Clone)]
pub enum Hint {
    /// The agent has begun to answer.
    Typing,
    /// A piece of an answer that is not committed yet. Replaced by the
    /// committed message.
    Delta {
        /// The turn it belongs to.
        turn: TurnId,
        /// Which run of the turn, from 1: a later run starts the draft anew.
        run: u32,
        /// The piece.
        text: String,
    },
    /// The draft is over, committed or dropped.
    End {
        /// The turn it belonged to.
        turn: TurnId,
    },
    /// A turn reached a stage. Whoever shows it follows the event bus; the path tells
    /// doors nothing of it.
    Stage {
        /// The turn; none yet when a message was only accepted.
        turn: Option<TurnId>,
        /// The stage.
        stage: Stage,
        /// When.
        at: Timestamp,
        /// More for people: the class of what it waits for or gave up for.
        detail: Option<String>,
    },
    /// Something was committed: look.
    Look,
}

/// The stages of a turn as people follow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The message is durable.
    Accepted,
    /// A turn has taken it.
    Claimed,
    /// The model is at work.
    Model,
    /// The answer is durable.
    Committed,
    /// The answer is delivered.
    Sent,
    /// The turn waits for another try.
    Retry,
    /// The turn gave up.
    Dead,
}

impl Stage {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Claimed => "claimed",
            Self::Model => "model",
            Self::Committed => "committed",
            Self::Sent => "sent",
            Self::Retry => "retry",
            Self::Dead => "dead",
        }
    }
}

/// Where signs are published and watched, by conversation address. Costs one
/// map look-up for an address nobody watches.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    watched: Arc<Mutex<HashMap<Address, broadcast::Sender<Hint>>>>,
}

impl Hints {
    /// Shows a sign to whoever watches `address` now.
    pub fn publish(&self, address: &Address, hint: Hint) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watched.get(address) {
            // Fails only when the last watcher is just leaving.
            let _ = sender.send(hint);
        }
    }

    /// Watches `address` from now on.
    pub fn watch(&self, address: Address) -> HintFeed {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = watched
            .entry(address.clone())
            .or_insert_with(|| broadcast::channel(KEPT).0);
        HintFeed {
            signs: Some(sender.subscribe()),
            address,
            hints: self.clone(),
        }
    }

    /// How many addresses are watched.
    pub fn watched(&self) -> usize {
        self.watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

/// One watcher. Leaves when dropped.
#[derive(Debug)]
pub struct HintFeed {
    signs: Option<broadcast::Receiver<Hint>>,
    address: Address,
    hints: Hints,
}

impl HintFeed {
    /// Waits for the next sign; `None` when some were missed, after which the
    /// watcher should look at the store. Cancel safe.
    pub async fn next(&mut self) -> Option<Hint> {
        match self.signs.as_mut() {
            Some(signs) => signs.recv().await.ok(),
            None => None,
        }
    }
}

impl Drop for HintFeed {
    fn drop(&mut self) {
        self.signs = None;
        let mut watched = self
            .hints
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if watched
            .get(&self.address)
            .is_some_and(|sender| sender.receiver_count() == 0)
        {
            watched.remove(&self.address);
        }
    }
}
