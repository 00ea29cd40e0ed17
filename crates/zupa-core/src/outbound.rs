//! What the agent says, and the life of its sending.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::choices::Choices;
use crate::content::Content;
use crate::error::{Error, Result};
use crate::id::TurnId;

/// A message to send. Written to the outbox by the turn's commit; nothing else
/// sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outbound {
    /// What to say.
    pub content: Content,
    /// Which queue of the conversation it waits in.
    pub lane: Lane,
    /// True for a side message: the person reads it, the model does not remember
    /// it.
    #[serde(default)]
    pub aside: bool,
}

impl Outbound {
    /// An answer.
    pub fn of(content: Content) -> Self {
        Self {
            content,
            lane: Lane::Reply,
            aside: false,
        }
    }

    /// An answer in plain text.
    pub fn reply(text: impl Into<String>) -> Self {
        Self::of(Content::text(text))
    }

    /// A question with answers to choose from, as far as the channel has room for them: as
    /// buttons, as a list, or as text with numbers.
    ///
    /// ```
    /// # use zupa_core::{Choice, Choices, Outbound};
    /// let when = vec![Choice::new("today", "Today"), Choice::new("later", "Another day")];
    /// let asked = Outbound::choices(Choices::new("When may we come?", when));
    /// ```
    pub fn choices(asked: Choices) -> Self {
        Self::of(Content::Choices(asked))
    }

    /// What nobody has asked for at this moment, in plain text: a reminder, a summary.
    pub fn proactive(text: impl Into<String>) -> Self {
        Self {
            lane: Lane::Proactive,
            ..Self::reply(text)
        }
    }

    /// A side message in plain text.
    pub fn aside(text: impl Into<String>) -> Self {
        Self {
            aside: true,
            ..Self::reply(text)
        }
    }
}

/// Deliveries keep their order per conversation and lane. Lanes do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// An answer to what the person said.
    Reply,
    /// What a turn says that no message of the person has begun.
    Proactive,
    /// What goes out late, because an operator has had it sent again: outside the order of
    /// the others.
    Late,
}

impl Lane {
    /// Every lane; what is first is listed and sent first.
    pub const ALL: [Self; 3] = [Self::Reply, Self::Proactive, Self::Late];

    /// The reason of deliveries that the person does not want to hear: of
    /// [`Self::Proactive`], while their wish is [`crate::Wish::Nothing`].
    pub const OPTED_OUT: &'static str = "opt_out";

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Proactive => "proactive",
            Self::Late => "late",
        }
    }
}

/// Names one delivery, and is its idempotency key on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeliveryId {
    /// The turn that said it.
    pub turn: TurnId,
    /// Which of the turn's outbounds, from 0.
    pub ordinal: u32,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.turn, self.ordinal)
    }
}

impl DeliveryId {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Result<Self> {
        let (turn, ordinal) = text
            .split_once('.')
            .ok_or_else(|| Error::invalid("not a delivery id"))?;
        Ok(Self {
            turn: TurnId::parse(turn)?,
            ordinal: ordinal
                .parse()
                .map_err(|source| Error::invalid("not a delivery id").with_source(source))?,
        })
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for its first attempt.
    Queued,
    /// An attempt is on the wire.
    Sending,
    /// The channel took it; for web chat, the commit itself.
    Sent,
    /// Waiting for a later attempt.
    Retry,
    /// An attempt had no answer; evidence is awaited.
    InDoubt,
    /// Given up as unsettled and shown to a human.
    Unknown,
    /// Refused for good.
    Failed,
    /// Not to be sent any more.
    Cancelled,
}

impl DeliveryState {
    /// Every state, in reading order.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Retry,
        Self::InDoubt,
        Self::Unknown,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Retry => "retry",
            Self::InDoubt => "in_doubt",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// True while it may still be sent, so that what is behind it waits.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Queued | Self::Sending | Self::Retry | Self::InDoubt
        )
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How far a message of ours got, by the platform's word. Only goes up.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptLevel {
    /// Nothing heard.
    #[default]
    None = 0,
    /// The platform has it.
    Accepted = 1,
    /// It left the platform.
    Sent = 2,
    /// The platform gave up. Below delivered: a later delivery outweighs it.
    Failed = 3,
    /// It reached the person's device.
    Delivered = 4,
    /// The person saw it.
    Read = 5,
}

impl ReceiptLevel {
    /// Reads the number stores keep; unknown numbers are `None`.
    pub fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Accepted,
            2 => Self::Sent,
            3 => Self::Failed,
            4 => Self::Delivered,
            5 => Self::Read,
            _ => Self::None,
        }
    }
}
