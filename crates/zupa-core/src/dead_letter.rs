//! Dead letters: inbounds and deliveries that gave up, with all their errors, until an
//! operator has dealt with them.
//!
//! A dead letter is written in the transaction that gives up, and there is one for each
//! inbound or delivery however often it fails: its id is the one of what failed. Trying
//! again moves what failed, and creates none.
//!
//! A [`Desk`](crate::Desk) lists and changes them; the example `dead_letters` of the crate
//! `zupa` does so without the binary.

mod act;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::content::Content;
use crate::error::{Error, Result};
use crate::id::{ChannelId, ConversationId, EventId, TenantId, TurnId};
use crate::inbound::Correlation;
use crate::outbound::DeliveryId;
use crate::time::Timestamp;

pub use act::{DeadLetterAct, DeadLetterActed, DeadLetterStanding};

/// What gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterKind {
    /// A message of the person, or what stands for one.
    Inbound,
    /// A message of the agent.
    Delivery,
}

impl DeadLetterKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Inbound, Self::Delivery];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Delivery => "delivery",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterState {
    /// Nobody has dealt with it.
    Pending,
    /// It is tried again. Left only with the end of that.
    Reprocessing,
    /// It was tried again, and ended well.
    Done,
    /// Not to be tried again but by name.
    Poison,
    /// Not worth another try.
    Discarded,
}

impl DeadLetterState {
    /// Every state, in reading order.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Reprocessing,
        Self::Done,
        Self::Poison,
        Self::Discarded,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reprocessing => "reprocessing",
            Self::Done => "done",
            Self::Poison => "poison",
            Self::Discarded => "discarded",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True once nothing more is expected of it; it is forgotten after a while.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Poison | Self::Discarded)
    }
}

/// Names a dead letter by what gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeadLetterId {
    /// An inbound.
    Inbound(EventId),
    /// A delivery.
    Delivery(DeliveryId),
}

impl DeadLetterId {
    /// Reads what `Display` wrote.
    ///
    /// *Errors*: [`crate::ErrorKind::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('.') {
            Some(("inbound", event)) => EventId::parse(event).map(Self::Inbound),
            Some(("delivery", delivery)) => DeliveryId::parse(delivery).map(Self::Delivery),
            _ => Err(Error::invalid("not the id of a dead letter")),
        }
    }

    /// What gave up.
    pub fn kind(self) -> DeadLetterKind {
        match self {
            Self::Inbound(_) => DeadLetterKind::Inbound,
            Self::Delivery(_) => DeadLetterKind::Delivery,
        }
    }

    /// As stores keep it: the event, or the turn that said it and which of its messages
    /// it was.
    pub fn source(self) -> (Uuid, u32) {
        match self {
            Self::Inbound(event) => (event.0, 0),
            Self::Delivery(delivery) => (delivery.turn.0, delivery.ordinal),
        }
    }

    /// From what stores keep.
    pub fn of_source(kind: DeadLetterKind, source: Uuid, ordinal: u32) -> Self {
        match kind {
            DeadLetterKind::Inbound => Self::Inbound(EventId(source)),
            DeadLetterKind::Delivery => Self::Delivery(DeliveryId {
                turn: TurnId(source),
                ordinal,
            }),
        }
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbound(event) => write!(f, "inbound.{event}"),
            Self::Delivery(delivery) => write!(f, "delivery.{delivery}"),
        }
    }
}

impl TryFrom<String> for DeadLetterId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<DeadLetterId> for String {
    fn from(id: DeadLetterId) -> Self {
        id.to_string()
    }
}

/// One dead letter. Holds no customer text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id.
    pub id: DeadLetterId,
    /// Where it stands.
    pub state: DeadLetterState,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// The door of its conversation.
    pub channel: ChannelId,
    /// The turn that gave it up last, or that said it.
    pub turn: TurnId,
    /// What kind of message it is, as [`Content::kind`] names it.
    pub content: String,
    /// What went wrong last: [`crate::ErrorKind::as_str`], or `crashed`.
    pub class: String,
    /// The same for people, with the node if it is known.
    pub message: String,
    /// Ids of the request that brought it, or that brought what its turn answers.
    pub correlation: Correlation,
    /// When it failed first.
    pub first_failed_at: Timestamp,
    /// When it failed last.
    pub last_failed_at: Timestamp,
    /// Failures so far, those that counted and those that did not.
    pub attempts: u32,
    /// What an operator has called it.
    pub tag: Option<String>,
    /// Why it was discarded, or is poison; of a pending one, what has become of it since:
    /// [`InboundState::AnsweredByHuman`](crate::InboundState) where a human has replied.
    pub reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// One of its failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadAttempt {
    /// When.
    pub at: Timestamp,
    /// The turn that failed, or whose message failed.
    pub turn: TurnId,
    /// Which run of the turn, or which attempt at the wire.
    pub run: u32,
    /// What went wrong: [`crate::ErrorKind::as_str`], or `crashed`.
    pub class: String,
    /// The same for people.
    pub message: String,
    /// When it was to be tried again; none: at once, or never.
    pub not_before: Option<Timestamp>,
    /// False when the provider was to blame.
    pub counted: bool,
}

/// A dead letter with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetterView {
    /// It.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// Every failure, oldest first.
    #[serde(rename = "history")]
    pub attempts: Vec<DeadAttempt>,
    /// What it says. Customer text.
    #[serde(rename = "says", skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The payload that it came in, for as long as that is kept; one that its door could
    /// not read is kept as long as the letter. Customer text.
    #[serde(flatten)]
    pub raw: Option<RawPayload>,
}

/// A payload as it came, to the bit. Customer text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RawPayload {
    /// One that is text.
    #[serde(rename = "raw")]
    Text(String),
    /// One that is none, in hexadecimal.
    #[serde(rename = "raw_hex")]
    Bytes(String),
}

impl RawPayload {
    /// Of what is shown: the payload that was kept beside the message, or is the message.
    pub fn shown(kept: Option<Vec<u8>>, content: Option<&Content>) -> Option<Self> {
        let undecoded = content.and_then(Content::undecoded);
        kept.or_else(|| undecoded.map(<[u8]>::to_vec)).map(Self::of)
    }

    /// Of bytes.
    pub fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(other) => Self::Bytes(hex::encode(other.into_bytes())),
        }
    }
}

impl fmt::Debug for RawPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawPayload(***)")
    }
}

/// Which dead letters. What is none matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Of this kind.
    pub kind: Option<DeadLetterKind>,
    /// Of this content: [`DeadLetter::content`].
    pub content: Option<String>,
    /// That failed so: [`DeadLetter::class`].
    pub class: Option<String>,
    /// That an operator has called so.
    pub tag: Option<String>,
    /// That stand so.
    pub state: Option<DeadLetterState>,
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// That failed last before this.
    pub failed_before: Option<Timestamp>,
    /// That failed last at this time or later.
    pub failed_from: Option<Timestamp>,
    /// That ended before this.
    pub ended_before: Option<Timestamp>,
}

impl DeadLetterFilter {
    /// Whether a dead letter is meant.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, found: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        }
        is(&self.kind, &letter.id.kind())
            && is(&self.content, &letter.content)
            && is(&self.class, &letter.class)
            && (self.tag.is_none() || self.tag == letter.tag)
            && is(&self.state, &letter.state)
            && is(&self.tenant, &letter.tenant)
            && self
                .failed_before
                .is_none_or(|before| letter.last_failed_at < before)
            && self
                .failed_from
                .is_none_or(|from| letter.last_failed_at >= from)
            && self
                .ended_before
                .is_none_or(|before| letter.ended_at.is_some_and(|at| at < before))
    }
}

/// How many there are. Kinds, classes and tenants are those of pending ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterStats {
    /// By state.
    pub states: BTreeMap<String, u64>,
    /// By kind.
    pub kinds: BTreeMap<String, u64>,
    /// By what went wrong.
    pub classes: BTreeMap<String, u64>,
    /// By tenant.
    pub tenants: BTreeMap<String, u64>,
    /// When the oldest pending one failed first.
    pub oldest_at: Option<Timestamp>,
    /// The same, by what went wrong.
    #[serde(default)]
    pub oldest_by_class: BTreeMap<String, Timestamp>,
}

impl DeadLetterStats {
    /// Counts `count` more, the oldest of which failed first at `oldest`.
    pub fn add(
        &mut self,
        (state, kind): (DeadLetterState, DeadLetterKind),
        (class, tenant): (&str, &str),
        count: u64,
        oldest: Timestamp,
    ) {
        *self.states.entry(state.as_str().into()).or_default() += count;
        if state == DeadLetterState::Pending {
            *self.kinds.entry(kind.as_str().into()).or_default() += count;
            *self.classes.entry(class.into()).or_default() += count;
            *self.tenants.entry(tenant.into()).or_default() += count;
            self.oldest_at = Some(self.oldest_at.map_or(oldest, |known| known.min(oldest)));
            let of_class = self.oldest_by_class.entry(class.into()).or_insert(oldest);
            *of_class = oldest.min(*of_class);
        }
    }
}

/// What is left after failures were forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadLettersKept {
    /// Failures that went.
    pub gone: u64,
    /// Dead letters that wait for an operator.
    pub pending: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let event = EventId(Uuid::from_u128(7));
        let delivery = DeliveryId {
            turn: TurnId(Uuid::from_u128(8)),
            ordinal: 3,
        };
        for id in [
            DeadLetterId::Inbound(event),
            DeadLetterId::Delivery(delivery),
        ] {
            assert_eq!(DeadLetterId::parse(&id.to_string()).unwrap(), id);
            let (source, ordinal) = id.source();
            assert_eq!(DeadLetterId::of_source(id.kind(), source, ordinal), id);
        }
        assert!(DeadLetterId::parse("7").is_err());
    }

    #[test]
    fn a_payload_is_text_or_hexadecimal_and_never_printed() {
        let text = RawPayload::of(b"{\"a\": 1}".to_vec());
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(json, r#"{"raw":"{\"a\": 1}"}"#);
        assert_eq!(serde_json::from_str::<RawPayload>(&json).unwrap(), text);
        let bytes = RawPayload::of(b"\xff\x00".to_vec());
        let json = serde_json::to_string(&bytes).unwrap();
        assert_eq!(json, r#"{"raw_hex":"ff00"}"#);
        assert_eq!(format!("{text:?}"), "RawPayload(***)");
    }
}
