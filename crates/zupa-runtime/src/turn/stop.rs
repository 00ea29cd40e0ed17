//! Why a run does not go on.

use serde_json::Value;
use zupa_core::Error;

use crate::commit::End;

/// Why a run does not go on. Nodes make failures, from any error by `?`; the rest
/// comes from the context and is passed on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stop {
    /// Something failed.
    Failed(Error),
    /// The model's provider failed; no message is to blame for it.
    Provider(Error),
    /// The process is stopping: no new effect starts.
    Release,
    /// Nothing is left of the claim.
    Lost,
    /// The store could not be asked or told.
    Unwritten(Error),
    /// A human has to say what became of an effect.
    Review(Review),
}

/// What a human is asked.
#[derive(Debug)]
pub struct Review {
    pub(crate) subject: Value,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(error) => Self::Failed(error),
            Stop::Provider(error) => Self::Held(error),
            Stop::Release => Self::Release,
            Stop::Lost => Self::Lost,
            Stop::Unwritten(error) => Self::Unwritten(error),
            // The graph parks the turn for it; a node that keeps it is wrong.
            Stop::Review(_) => Self::Failed(Error::internal("a review was not asked for")),
        }
    }
}
