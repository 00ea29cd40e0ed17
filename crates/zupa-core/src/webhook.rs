//! The `Webhook` port: what a platform posts to a door, before anything of it is believed.
//!
//! Whoever listens (zupa-http) reads the bytes, asks the door what they say, hands that to
//! [`crate::Intake`] and answers the platform. The door does no IO.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::error::Result;
use crate::id::ChannelId;
use crate::intake::IntakeBatch;

/// What a request said, and what of it was left out.
#[derive(Debug, Default)]
pub struct Opened {
    /// To be accepted as a whole.
    pub batch: IntakeBatch,
    /// Items that are not for us, by reason: counted, acknowledged and forgotten.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl Opened {
    /// Counts an item that is left out. A reason is one of the door's own words, never
    /// something that came in.
    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }
}

/// One door that a platform posts to.
pub trait Webhook: Debug + Send + Sync + 'static {
    /// Names the door, and its path: `/webhooks/{channel}`.
    fn channel(&self) -> &ChannelId;

    /// Says how many bytes a body may have. Constant for its life.
    fn max_bytes(&self) -> usize;

    /// Answers the platform's question whether this is the place: the words of the answer.
    ///
    /// *Behaviour*: pure; compares secrets in constant time.
    /// *Errors*: [`crate::ErrorKind::Unauthorized`] for whoever does not know the secret,
    /// or asks for something else.
    fn greet(&self, query: &[(String, String)]) -> Result<String>;

    /// Reads a request: headers by name in lower case, each as often as it came, and the
    /// body to the bit.
    ///
    /// *Behaviour*: no IO, and nothing is kept of it but what passing signs need
    /// ([`crate::Hint`]). Nothing of the body is parsed before its signature is proved. One
    /// item that cannot be read costs no other.
    /// *Errors*: [`crate::ErrorKind::Unauthorized`] for a body that is not proved to be the
    /// platform's, and nothing else: what is proved is always taken.
    fn open(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Opened>;
}
