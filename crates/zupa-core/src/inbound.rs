//! What a channel hands in: messages, and news about messages already known.

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
    /// The message it speaks of.
    pub about: PlatformId,
    /// What it says.
    pub news: ReceiptNews,
    /// When the platform says it happened.
    pub at: Option<Timestamp>,
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReceiptNews {
    /// A message of ours got this far. Levels only go up.
    Status {
        /// How far.
        level: ReceiptLevel,
        /// Our idempotency key, if the channel echoes it.
        key: Option<String>,
    },
    /// The person changed a message. Only an unclaimed inbound changes; later
    /// it is history.
    Edit {
        /// The new content.
        content: Content,
    },
    /// The person took a message back. Only an unclaimed inbound goes; later
    /// it is history.
    Revoke,
}
