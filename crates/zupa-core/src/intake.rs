//! How channels hand messages in: a handle, and an answer after the commit.

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::id::{ConversationId, EventId, Number};
use crate::inbound::{Inbound, Receipt};

/// What one delivery of a channel carried.
#[derive(Debug, Default)]
pub struct IntakeBatch {
    /// Messages, in the platform's order.
    pub inbounds: Vec<Inbound>,
    /// News about known messages.
    pub receipts: Vec<Receipt>,
}

impl From<Inbound> for IntakeBatch {
    fn from(inbound: Inbound) -> Self {
        Self {
            inbounds: vec![inbound],
            receipts: Vec::new(),
        }
    }
}

/// What became of one message of a batch. Durable when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// First sighting: it will be answered, or end in a state that says why not.
    Accepted {
        /// Our id of it.
        event: EventId,
        /// Its conversation.
        conversation: ConversationId,
        /// Its place in the conversation.
        number: Number,
    },
    /// Seen before, with the same content.
    Duplicate {
        /// Our id of the first sighting.
        event: EventId,
    },
    /// Seen before, with another content.
    Conflict {
        /// Our id of the first sighting.
        event: EventId,
    },
    /// Too old to be a first sighting; noted, not answered.
    Expired {
        /// Our id of it.
        event: EventId,
    },
}

/// One answer per inbound of the batch, in order; or why the whole batch was
/// refused, in which case nothing of it was written.
pub type IntakeAnswer = Result<Vec<Result<Delivered>>>;

/// The handle that doors push into.
#[derive(Debug, Clone)]
pub struct Intake {
    sender: mpsc::Sender<(IntakeBatch, oneshot::Sender<IntakeAnswer>)>,
}

/// The other end, held by the stop `accept`.
pub type IntakeQueue = mpsc::Receiver<(IntakeBatch, oneshot::Sender<IntakeAnswer>)>;

impl Intake {
    /// A handle and its queue of at most `capacity` batches.
    pub fn channel(capacity: usize) -> (Self, IntakeQueue) {
        let (sender, queue) = mpsc::channel(capacity);
        (Self { sender }, queue)
    }

    /// Hands a batch in and waits until it is durable or refused.
    ///
    /// *Errors*: [`ErrorKind::Full`] when the queue, the backlog or the disk
    /// has no room, [`ErrorKind::Unavailable`] when the runtime is stopping;
    /// both ask for a later delivery.
    /// *Cancel safety*: a dropped call may or may not have been accepted;
    /// deliver again, dedupe decides.
    pub async fn deliver(&self, batch: IntakeBatch) -> IntakeAnswer {
        let (sender, answer) = oneshot::channel();
        self.sender
            .try_send((batch, sender))
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => {
                    Error::new(ErrorKind::Full, "too many messages are being accepted")
                        .with_retry(Retry::After(std::time::Duration::from_secs(1)))
                }
                mpsc::error::TrySendError::Closed(_) => stopping(),
            })?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }
}

fn stopping() -> Error {
    Error::new(ErrorKind::Unavailable, "the runtime is stopping")
        .with_retry(Retry::After(std::time::Duration::from_secs(2)))
}
