//! What happened, for whoever judges: every send, every limit that was broken, every
//! request that was posted.

use std::collections::BTreeMap;

/// All that a simulator saw and did so far.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Every request to send a message that carried the right token, in order.
    pub attempts: Vec<Attempt>,
    /// Every send beyond a limit; it was refused.
    pub violations: Vec<Violation>,
    /// Requests without the right token.
    pub unauthorized: u64,
    /// Messages of people that were marked as read, in order.
    pub marked_read: Vec<String>,
    /// Messages of people for which typing was shown, in order.
    pub typing: Vec<String>,
    /// What was posted.
    pub posted: Posted,
}

/// One send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The number that sent it.
    pub phone_number_id: String,
    /// To whom, as it was spelled.
    pub to: String,
    /// `biz_opaque_callback_data`.
    pub key: Option<String>,
    /// What there is to read in it.
    pub text: String,
    /// When it came, in Unix microseconds.
    pub at: u64,
    /// What became of it.
    pub end: End,
    /// Whether an answer of Meta's was written. Whether it arrived is not known here.
    pub answered: bool,
    /// Whether statuses of it are posted, or were.
    pub tells: bool,
}

/// What became of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The person sees it, under this id.
    Taken {
        /// Meta's id of it.
        wamid: String,
    },
    /// It was refused with a code.
    Refused {
        /// Meta's code.
        code: i64,
    },
    /// It was not taken, and nobody said so.
    Dropped,
}

/// A send beyond a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The number that sent too much.
    pub phone_number_id: String,
    /// To whom.
    pub to: String,
    /// Which limit.
    pub limit: Limit,
    /// When, in Unix microseconds.
    pub at: u64,
}

/// The limits that are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Messages of a number a second: 130429.
    PerSecond,
    /// Messages to one person: 131056.
    Pair,
    /// Anything but a template to somebody who has not written for long: 131047.
    Window,
}

/// Webhooks, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posted {
    /// Requests that were answered 200.
    pub acknowledged: u64,
    /// Of these, the ones that were a second copy.
    pub duplicates: u64,
    /// Requests that had to be posted again, by the status; 0 for no answer.
    pub refused: BTreeMap<u16, u64>,
    /// Microseconds until each 200, in the order in which they came.
    pub took: Vec<u64>,
}

impl Record {
    /// How often this limit was broken.
    pub fn broken(&self, limit: Limit) -> usize {
        let broken = self.violations.iter().filter(|it| it.limit == limit);
        broken.count()
    }
}
