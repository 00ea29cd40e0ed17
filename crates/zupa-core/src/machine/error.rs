//! Why a snapshot did not move.

use std::error::Error as StdError;
use std::fmt;

use super::Event;
use crate::error::{Error, ErrorKind};

/// A transition that did not happen. Neither snapshot nor context changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionError<E: Event> {
    /// The state has no transition for the event.
    Invalid {
        /// Where the snapshot is.
        state: E::State,
        /// What it was asked.
        event: E,
    },
    /// The state has transitions for the event, and every guard said no.
    Refused {
        /// Where the snapshot is.
        state: E::State,
        /// What it was asked.
        event: E,
    },
    /// Somebody else moved the snapshot first.
    Conflict {
        /// The revision the decision was taken on.
        expected: u64,
        /// The revision it has now.
        found: u64,
    },
    /// The snapshot is in a state that this table does not declare: it was
    /// stored by another version.
    Unknown {
        /// Where the snapshot is.
        state: E::State,
    },
}

impl<E: Event> TransitionError<E> {
    /// The kind it has as an [`Error`].
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::Refused { .. } => ErrorKind::Invalid,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Unknown { .. } => ErrorKind::Corrupt,
        }
    }
}

impl<E: Event> fmt::Display for TransitionError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { state, event } => {
                write!(f, "state {state:?} has no transition for {event:?}")
            }
            Self::Refused { state, event } => {
                write!(f, "the guards of state {state:?} refused {event:?}")
            }
            Self::Conflict { expected, found } => write!(
                f,
                "the state moved meanwhile: revision {expected} was expected, {found} found"
            ),
            Self::Unknown { state } => write!(f, "state {state:?} is not of this machine"),
        }
    }
}

impl<E: Event> StdError for TransitionError<E> {}

impl<E: Event> From<TransitionError<E>> for Error {
    fn from(error: TransitionError<E>) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}
