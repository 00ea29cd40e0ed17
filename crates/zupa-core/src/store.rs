//! The `Store` port: the path's transactions, batch-shaped.
//!
//! A caller does not open transactions; it hands over a [`Batch`] of what
//! concurrent callers want written, and the store applies it as one
//! transaction. That is what makes one flush to disk serve many messages.

mod accept;
mod batch;
mod claim;
mod delivery;
mod finish;

use std::fmt::Debug;

use async_trait::async_trait;

pub use accept::{Accept, Accepted, Offer};
pub use batch::{Applied, Batch, Durability};
pub use claim::{
    Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Due, Record, Recorded, Renew, Renewed,
};
pub use delivery::{Attempt, Attempted, Delivery, OpenDoors, Settle, Settlement};
pub use finish::{Commit, FailureNote, Finish, Finished, OutboxRow, TurnEnd, Verdict};

use crate::dead_letter::DeadLettersKept;
use crate::error::Result;
use crate::id::{ConversationId, ProcessId};
use crate::time::Timestamp;
use crate::turn::Message;

/// A sign of life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Who.
    pub process: ProcessId,
    /// When.
    pub now: Timestamp,
    /// From when on others may take it for dead, if no other sign comes.
    pub expires_at: Timestamp,
    /// Writes of it that were refused so far because its claim was lost.
    pub stale: u64,
}

/// What the start of a process found and mended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// True when the process before did not end cleanly.
    pub unclean: bool,
    /// Turns that were running and will run again.
    pub turns_resumed: u64,
    /// Suspects of the last death: they run one at a time, see [`ClaimMode`].
    pub suspects: Vec<Suspect>,
    /// Attempts that were on the wire and are now in doubt.
    pub deliveries_in_doubt: u64,
}

/// A turn that was running at several deaths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspect {
    /// Its conversation.
    pub conversation: ConversationId,
    /// How it is to run now.
    pub mode: ClaimMode,
}

/// The path's transactions.
///
/// A caller says what time it is with each call (`now`), and all other times of
/// the call are as of that. A store that several processes share has a clock of
/// its own: it moves the times of a call by the difference, and those of its
/// answer back, so that no two processes have to agree on the time.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Takes the store over for a process.
    ///
    /// *Behaviour*: called once, before anything else. Voids the claims of
    /// earlier lives of this store's one process; ranges, runs and steps stay,
    /// and attempts on the wire become in doubt. Where several processes share
    /// a store, claims and attempts of others expire instead, and whoever takes
    /// a claim over judges the death. Proves the log durable: when this
    /// returns, everything that can be read is on disk.
    /// *Errors*: as [`Self::write`].
    /// *Cancel safety*: safe to call again.
    async fn recover(&self, life: Life) -> Result<Recovery>;

    /// Applies a batch in one transaction.
    ///
    /// *Behaviour*: settlements, receipts, records, ends, inbounds, attempts,
    /// claims and offers are applied in this order, so that a claim sees what the
    /// same batch accepted. An edit or a revoke of an inbound that is not known, also
    /// because the same batch brings it, is kept and applied where that is accepted, so
    /// their order says nothing. Every item gets its own answer, in its list's order.
    /// Items fence themselves: a stale epoch changes nothing and says so. An
    /// item that breaks a constraint fails alone and the rest is applied. With
    /// [`Durability::Flushed`] the batch is on disk when this returns (if the
    /// store is configured so); otherwise it is in the log, before anything
    /// written later.
    /// *Errors*: for the batch as a whole. [`crate::ErrorKind::Full`] when
    /// there is no room, and nothing was applied; [`crate::ErrorKind::DurabilityLost`]
    /// when a flush failed, after which the store MUST refuse every write;
    /// [`crate::Outcome::Unknown`] when the answer to the commit was lost.
    /// *Cancel safety*: the batch is applied or not, as a whole; the answer is
    /// lost. The runtime never drops this call.
    async fn write(&self, batch: Batch) -> Result<Applied>;

    /// Writes a sign of life of the process.
    ///
    /// *Behaviour*: a real write, so that it also tells whether the store can
    /// write at all; rides without a flush. A process that was taken for dead
    /// is alive again after it; the claims it lost stay lost. One from more than a
    /// minute before the last means that the clock was set back: claims, retries,
    /// bursts and sends in doubt then wait no longer than they would have. The same
    /// holds for [`Self::recover`].
    /// *Errors*: as [`Self::write`]; [`crate::ErrorKind::Unsupported`] when a
    /// newer version has changed the schema so that this build must end.
    /// *Cancel safety*: safe.
    async fn heartbeat(&self, life: Life) -> Result<()>;

    /// Lists conversations that have something to claim, longest due first.
    ///
    /// *Behaviour*: includes those due within the future up to `until`, and
    /// those whose holder's claim has expired at `now`; leaves out those held.
    /// A claim of another process that still shows signs of life is held. A
    /// conversation that a human has is not listed.
    /// *Cancel safety*: safe.
    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>>;

    /// Lists deliveries that wait for an attempt or a decision: what is in the lane of
    /// replies before all others, and then oldest first.
    ///
    /// *Behaviour*: the head of each conversation and lane only, when its time
    /// has come; in doubt counts as a head, so that nothing overtakes it. What is not
    /// wanted for its door takes no place in the list.
    /// *Cancel safety*: safe.
    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>>;

    /// Settles what waits have run out of time, longest due first, at most `limit`:
    /// open waits whose `expires_at` has come become expired, and each parked turn
    /// that has no open wait left, and each timer, gets an internal inbound of
    /// content [`crate::Content::Settled`] at the end of its conversation. Answers
    /// the conversations that have become due. Then, within the same limit,
    /// conversations of which a commit's `wake_at` has come get an internal inbound of
    /// content [`crate::Content::Wake`].
    ///
    /// *Behaviour*: one transaction, flushed. A conversation with an open turn is
    /// left for later, so that a running turn and the time never both settle a
    /// wait; and so is a reply wait for which an answer was accepted in time, and
    /// all of a conversation that a human has. A conversation with something pending
    /// is not woken: its next commit says when again.
    /// *Errors*: as [`Self::write`].
    /// *Cancel safety*: as [`Self::write`]; safe to call again.
    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>>;

    /// Makes due what waits because the provider of a model has failed: at most `limit`
    /// turns, longest waiting first. Answers their conversations.
    ///
    /// *Behaviour*: one transaction, riding. What a human has, and what is claimed, stays
    /// as it is, and so does what waits after a failure that counts, or until a time that
    /// the provider has named.
    /// *Errors*: as [`Self::write`].
    /// *Cancel safety*: safe to call again.
    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>>;

    /// Reads the newest `limit` lines of a conversation's history: what its ended
    /// turns heard and said, oldest first.
    ///
    /// *Behaviour*: a turn that ended well (answered or silent) has its inbounds,
    /// as the user, then what it sent, as the assistant; a dead one only what it
    /// sent; turns follow each other in the order of their commits, whatever the
    /// numbers: a message that came while a turn ran is behind that turn's answer.
    /// Side messages and internal inbounds are no lines.
    /// Cost does not grow with the history's length.
    /// *Cancel safety*: safe.
    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>>;

    /// Counts inbounds that have not ended, for admission.
    ///
    /// *Cancel safety*: safe.
    async fn backlog(&self) -> Result<u64>;

    /// Forgets dedupe keys of before `keys_before` and raw payloads of before
    /// `raw_before`, at most `limit` rows of each, never of an open inbound.
    /// Answers how many rows went.
    ///
    /// *Cancel safety*: safe to call again.
    async fn purge(
        &self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> Result<u64>;

    /// Forgets statuses, edits and revokes of before `before` whose message has not come,
    /// at most `limit` of each. Answers how many went.
    ///
    /// *Cancel safety*: safe to call again.
    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64>;

    /// Forgets failures of before `before` of which there is no dead letter and that wait
    /// for no retry, at most `limit`. Answers how many went, and how many dead letters
    /// wait for an operator. Dead letters themselves go by
    /// [`crate::DeadLetterAct::Forget`].
    ///
    /// *Cancel safety*: safe to call again.
    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept>;

    /// Moves what the log has gathered into the main file, where the store has
    /// such a thing, without holding writers up.
    ///
    /// *Cancel safety*: safe.
    async fn checkpoint(&self) -> Result<()>;

    /// Ends the life of the process cleanly: the next [`Self::recover`] finds
    /// no unclean end of it.
    ///
    /// *Cancel safety*: safe; a missed close is an unclean end.
    async fn close(&self, process: ProcessId) -> Result<()>;
}
