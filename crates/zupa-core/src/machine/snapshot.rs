//! What persists of a machine: where it is, how it came there, and the revision
//! that decides between two who would move it.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Event;
use super::error::TransitionError;
use crate::time::Timestamp;

/// Where one machine stands. Only a transition moves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot<E: Event> {
    state: E::State,
    revision: u64,
    since: Timestamp,
    #[serde(default = "VecDeque::new", skip_serializing_if = "VecDeque::is_empty")]
    history: VecDeque<Passage<E>>,
}

/// One transition that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage<E: Event> {
    /// The revision it led to; the first is 1.
    pub revision: u64,
    /// When.
    pub at: Timestamp,
    /// The state that was left.
    pub from: E::State,
    /// What was answered.
    pub event: E,
    /// The state that was entered.
    pub to: E::State,
}

/// What a transition leaves for the caller to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved<E: Event> {
    /// What happened: a line for the ledger, where the history is complete.
    pub passage: Passage<E>,
    /// The timer of the state that was entered. It replaces the one before.
    pub timer: Option<Timer<E>>,
}

/// An event to apply if nothing else happens first. Hand it to `apply` with its
/// revision: a conflict then means that it came too late, and is no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer<E: Event> {
    /// How long after the transition.
    pub after: Duration,
    /// What is due then.
    pub event: E,
    /// When that is.
    pub due: Timestamp,
    /// The revision it belongs to.
    pub revision: u64,
}

impl<E: Event> Snapshot<E> {
    pub(super) fn new(state: E::State, since: Timestamp) -> Self {
        Self {
            state,
            revision: 0,
            since,
            history: VecDeque::new(),
        }
    }

    /// Where it is.
    pub fn state(&self) -> E::State {
        self.state
    }

    /// How many transitions led here.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the last transition happened, or when it began.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The newest passages, oldest first.
    pub fn history(&self) -> impl ExactSizeIterator<Item = &Passage<E>> {
        self.history.iter()
    }

    /// Compare-and-set, as a store does it: becomes `next` if it still is at
    /// revision `expected`, and is a conflict otherwise.
    pub fn replace(&mut self, expected: u64, next: Self) -> Result<(), TransitionError<E>> {
        self.expect_revision(expected)?;
        *self = next;
        Ok(())
    }

    pub(super) fn expect_revision(&self, expected: u64) -> Result<(), TransitionError<E>> {
        if self.revision == expected {
            return Ok(());
        }
        Err(TransitionError::Conflict {
            expected,
            found: self.revision,
        })
    }

    pub(super) fn advance(&mut self, passage: Passage<E>, keep: usize) {
        self.state = passage.to;
        self.revision = passage.revision;
        self.since = passage.at;
        self.history.push_back(passage);
        let surplus = self.history.len().saturating_sub(keep);
        self.history.drain(..surplus);
    }
}
