//! What a channel hands in: messages, and news about messages already known.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::digest::Digest;
use crate::error::Result;
use crate::id::{Address, Alias, ChannelId, PlatformId, TenantId};
use crate::outbound::ReceiptLevel;
use crate::time::Timestamp;

/// One received message, as its channel understood it.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// Where it came from; its alias leads to the conversation.
    pub address: Address,
    /// Further aliases of the other end that the payload revealed.
    pub also: Vec<Alias>,
    /// Who speaks, in a group.
    pub speaker: Option<Alias>,
    /// The platform's id, which dedupes. Without one the message gets a fresh
    /// id of ours and no dedupe is promised.
    pub platform_id: Option<PlatformId>,
    /// What the platform id is unique within, beside tenant and channel: empty
    /// for most platforms, the conversation's alias for web chat.
    pub scope: String,
    /// When the platform says it was sent.
    pub platform_time: Option<Timestamp>,
    /// What it says.
    pub content: Content,
    /// The payload as it came, to the bit, kept for `[retention] raw_days`.
    pub raw: Option<Vec<u8>>,
    /// Ids that tie logs, rows and traces together.
    pub correlation: Correlation,
}

impl Inbound {
    /// A message of which nothing is known but where it came from and what it
    /// says.
    pub fn new(address: Address, content: Content) -> Self {
        Self {
            address,
            also: Vec::new(),
            speaker: None,
            platform_id: None,
            scope: String::new(),
            platform_time: None,
            content,
            raw: None,
            correlation: Correlation::default(),
        }
    }

    /// A payload that a door has to take, because the platform would send it again for
    /// ever, and cannot read, not even whose it is. Its bytes are its id, so that the same
    /// payload is one message; what a door cannot read is one conversation. A door that
    /// knows who sent it and under which id says so instead, with the same content.
    pub fn undecodable(tenant: TenantId, channel: ChannelId, payload: Vec<u8>) -> Result<Self> {
        let id = format!("undecodable:{}", Digest::of(&payload).to_hex());
        let address = Address {
            tenant,
            channel,
            alias: Alias::parse("undecodable")?,
        };
        let payload = payload.into();
        Ok(Self {
            platform_id: Some(PlatformId::parse(id)?),
            ..Self::new(address, Content::Undecodable { payload })
        })
    }
}

/// The ids of a request that travel with what it caused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// The request that brought the message.
    pub request_id: Option<String>,
    /// W3C trace id.
    pub trace_id: Option<String>,
}

/// News about a message already known, or not known yet: receipts may overtake
/// the answer that would have told us the platform's id.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Whose channel.
    pub tenant: TenantId,
    /// The channel that heard it.
    pub channel: ChannelId,
    /// The message it speaks of; the notice itself, if it is about a person.
    pub about: PlatformId,
    /// What it says.
    pub news: ReceiptNews,
    /// When the platform says it happened.
    pub at: Option<Timestamp>,
}

impl Receipt {
    /// When it happened, no later than it came.
    pub fn happened_at(&self, now: Timestamp) -> Timestamp {
        self.at.map_or(now, |at| at.min(now))
    }
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReceiptNews {
    /// A message of ours got this far. Levels only go up. A level other than
    /// [`ReceiptLevel::Failed`] proves that a delivery was sent, also one that was given
    /// up as unknown; one that failed, if it says that the message arrived. With our key,
    /// `Failed` ends as failed whatever was tried and has no answer yet, and what would
    /// be tried again; of what was sent it is a level and no more.
    Status {
        /// How far.
        level: ReceiptLevel,
        /// Our idempotency key, if the channel echoes it.
        key: Option<String>,
    },
    /// The person changed a message. Only an unclaimed inbound changes; later
    /// it is history. One that comes before its message waits for it, as long as
    /// [`EARLY_NEWS`]; of several edits the newest counts, see [`is_newer_edit`].
    Edit {
        /// The new content.
        content: Content,
    },
    /// The person took a message back. Only an unclaimed inbound goes; later
    /// it is history. It waits for its message as an edit does, and outweighs every
    /// edit, whichever comes first.
    Revoke,
    /// The own-message echo: a human wrote to the person from a device of the business,
    /// and `about` is that message. The conversation is held for them, as
    /// [`crate::HoldKind::Human`], from the time of the echo; a later one moves
    /// `human_at`. One of our own sends, known by its id, holds nothing, nor does one
    /// that is not newer than the last hand-back, so one that comes again changes
    /// nothing. A door that hears of our sends before it knows their ids keeps them back.
    Echo {
        /// Whom they wrote to.
        to: Person,
    },
    /// The person has another address now; all of `who` is theirs. Those that lead
    /// nowhere yet lead to their conversation, and replies go to the first.
    Moved {
        /// Where they are now, and where they were.
        who: Person,
    },
    /// What the person wants to hear that they have not asked for: while it is
    /// [`Wish::Nothing`], deliveries of [`crate::Lane::Proactive`] end as cancelled when
    /// they would be sent. The newest counts, as of edits.
    Wish {
        /// Whose wish.
        who: Person,
        /// What.
        wish: Wish,
    },
}

/// A person, as a door spells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The address that leads to their conversation.
    pub alias: Alias,
    /// Further ones, which do so where the first leads nowhere.
    pub also: Vec<Alias>,
}

/// What a person wants to hear that they have not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Whatever comes.
    Anything,
    /// Nothing.
    Nothing,
}

/// How long news waits for the message that it speaks of.
pub const EARLY_NEWS: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether an edit that the person made `at` counts, where the last one that counted was
/// made at `last`. Redelivered ones come in any order, so arrival says nothing where
/// the platform tells the times; where it does not, the last to arrive counts.
pub fn is_newer_edit(at: Option<Timestamp>, last: Option<Timestamp>) -> bool {
    last.is_none_or(|last| at.is_some_and(|at| at > last))
}
