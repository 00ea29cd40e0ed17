//! Names of things, parsed once: whoever holds one need not check it again.
//!
//! Ids that we make are UUIDs (version 7, so that they sort by birth); ids that
//! others make are short bounded strings.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;

/// The longest id of somebody else's that we take, in characters.
pub const MAX_ID_CHARS: usize = 255;

macro_rules! our_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads the hyphenated or the plain hexadecimal form.
            pub fn parse(text: &str) -> Result<Self> {
                Uuid::parse_str(text).map(Self).map_err(|source| {
                    Error::invalid(concat!("not a ", stringify!($name))).with_source(source)
                })
            }

            /// The sixteen bytes, as stores keep them.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

our_id! {
    /// A conversation: the unit of order. Opaque; aliases lead to it.
    ConversationId
}
impl ConversationId {
    /// The id of a conversation that begins with news of a person: who writes it needs no
    /// randomness, and it sorts by birth.
    pub fn of_news(now: Timestamp, address: &Address) -> Self {
        let place = Digest::of_json(&("news", now, address));
        let mut random = [0; 10];
        random.copy_from_slice(&place.0[..10]);
        let millis = now.0.max(0).cast_unsigned() / 1_000;
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

our_id! {
    /// Our id of one inbound (`event_id` in logs and rows).
    EventId
}
impl EventId {
    /// The id of the wake at this place of a conversation: no two have one, and who
    /// writes it needs no randomness.
    pub fn of_wake(conversation: ConversationId, number: Number) -> Self {
        let place = Digest::of_json(&("wake", conversation, number));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&place.0[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

our_id! {
    /// One run of the agent for a conversation.
    TurnId
}
our_id! {
    /// Something a conversation waits for.
    WaitId
}
our_id! {
    /// One life of one process; a restart is another.
    ProcessId
}

macro_rules! their_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes 1 to 255 characters, none of them NUL; anything else is
            /// [`ErrorKind::Invalid`].
            pub fn parse(text: impl Into<String>) -> Result<Self> {
                bounded(text.into(), stringify!($name)).map(|text| Self(text.into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }
    };
}

their_id! {
    /// An isolated customer of this installation; part of every key.
    #[derive(Debug)]
    TenantId
}
their_id! {
    /// One configured door. Unique in the installation.
    #[derive(Debug)]
    ChannelId
}
their_id! {
    /// An address of the other end as the channel spells it. May be a phone
    /// number, so `Debug` does not show it.
    Alias
}
their_id! {
    /// The platform's id of a message. Says who wrote when on some platforms,
    /// so `Debug` does not show it.
    PlatformId
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alias(***)")
    }
}

impl fmt::Debug for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformId(***)")
    }
}

impl TenantId {
    /// The tenant of an installation that has only one.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

/// Where a conversation is reached: tenant, channel and the channel's alias.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// Whose conversation it is.
    pub tenant: TenantId,
    /// The door.
    pub channel: ChannelId,
    /// The other end, as the door spells it.
    pub alias: Alias,
}

/// A place in a conversation's order. Inbounds and outbounds share one line of
/// numbers, starting at 1; 0 stands before all of them.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Number(pub u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Fences a stale owner of a conversation: each claim raises it by one, and
/// every write of a turn names the epoch it was claimed under.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

fn bounded(text: String, what: &'static str) -> Result<String> {
    let chars = text.chars().count();
    if chars == 0 || chars > MAX_ID_CHARS {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("{what} must have 1 to {MAX_ID_CHARS} characters, got {chars}"),
        ));
    }
    if text.contains('\0') {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("{what} must not hold the character NUL"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_ids_have_1_to_255_characters() {
        assert!(PlatformId::parse("").is_err());
        assert!(PlatformId::parse("é".repeat(255)).is_ok());
        assert!(PlatformId::parse("é".repeat(256)).is_err());
        assert!(PlatformId::parse("a\0b").is_err());
    }

    #[test]
    fn aliases_and_platform_ids_do_not_print() {
        let alias = Alias::parse("5511999990000").unwrap();
        assert!(!format!("{alias:?}").contains("5511"));
    }
}
