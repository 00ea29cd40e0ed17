//! What one transaction holds.

use super::{
    Accept, Accepted, Attempt, Attempted, Claim, ClaimOutcome, ClaimedTurn, Finish, Finished,
    Record, Recorded, Renew, Renewed, Settle,
};
use crate::error::Result;
use crate::inbound::Receipt;
use crate::time::Timestamp;

/// Whether a batch is on disk when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// In the log, before anything written later; flushed with the next batch
    /// that asks for it.
    Riding,
    /// On disk.
    Flushed,
}

/// What concurrent callers want written, by stop of the path.
#[derive(Debug, Default)]
pub struct Batch {
    /// The caller's time, and the transaction's, unless the store has a clock of
    /// its own.
    pub now: Timestamp,
    /// Results of sends.
    pub settle: Vec<Settle>,
    /// News about known messages.
    pub receipts: Vec<Receipt>,
    /// Results of effects.
    pub record: Vec<Record>,
    /// Ends of turns.
    pub finish: Vec<Finish>,
    /// Inbounds.
    pub accept: Vec<Accept>,
    /// Attempts about to go on the wire.
    pub attempt: Vec<Attempt>,
    /// Claims.
    pub claim: Vec<Claim>,
    /// Claims still at work.
    pub renew: Vec<Renew>,
}

impl Batch {
    /// What the items need: whatever somebody outside is told about must be
    /// flushed, and so is an intent, whose effect may be felt; a claim, a recorded
    /// result or a settlement rides along.
    pub fn durability(&self) -> Durability {
        let told_outside = !self.receipts.is_empty()
            || !self.finish.is_empty()
            || !self.accept.is_empty()
            || !self.attempt.is_empty()
            || self.record.iter().any(Record::must_be_flushed);
        if told_outside {
            Durability::Flushed
        } else {
            Durability::Riding
        }
    }

    /// How many items it holds.
    pub fn len(&self) -> usize {
        self.settle.len()
            + self.receipts.len()
            + self.record.len()
            + self.finish.len()
            + self.accept.len()
            + self.attempt.len()
            + self.claim.len()
            + self.renew.len()
    }

    /// True when it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The answers to a batch, list by list in the batch's order. Receipts have none:
/// a store that cannot take one fails the batch.
#[derive(Debug, Default)]
pub struct Applied {
    /// To `settle`.
    pub settle: Vec<Result<()>>,
    /// To `record`.
    pub record: Vec<Result<Recorded>>,
    /// To `finish`.
    pub finish: Vec<Result<Finished>>,
    /// To `accept`.
    pub accept: Vec<Result<Accepted>>,
    /// To the offers of `accept`: what was taken.
    pub taken: Vec<Option<Box<ClaimedTurn>>>,
    /// To `attempt`.
    pub attempt: Vec<Result<Attempted>>,
    /// To `claim`.
    pub claim: Vec<Result<ClaimOutcome>>,
    /// To `renew`.
    pub renew: Vec<Result<Renewed>>,
}
