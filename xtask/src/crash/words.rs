//! The words that nemesis, oracle and checkers share: doors, conversations,
//! message keys, and the tokens that travel through the model and back.
//!
//! A token `<<c7:3>>` stands in the text of message 3 of conversation `c7`; the
//! fake model answers with the tokens it saw, so a reply says which messages it
//! answers. Tokens carry no door on purpose: two tenants send the very same ids
//! and texts, and only the place where a reply turns up tells them apart.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

/// The text that makes a faults build abort itself in the model phase.
pub const ABORT: &str = "ABORT-THE-PROCESS";

/// One configured web chat; each belongs to a tenant of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    Main,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conversation {
    pub door: Door,
    pub name: String,
}

impl Conversation {
    /// The route of this conversation; the main channel is the unnamed one.
    pub fn path(&self, tail: &str) -> String {
        match self.door {
            Door::Main => format!("/chat/{}/{tail}", self.name),
            Door::Other => format!("/chat/other/{}/{tail}", self.name),
        }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.door {
            Door::Main => write!(f, "main/{}", self.name),
            Door::Other => write!(f, "other/{}", self.name),
        }
    }
}

/// One message of the run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub conversation: Conversation,
    pub seq: u32,
}

impl Key {
    pub fn token(&self) -> Token {
        Token {
            name: self.conversation.name.clone(),
            seq: self.seq,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.conversation, self.seq)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    pub name: String,
    pub seq: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<<{}:{}>>", self.name, self.seq)
    }
}

/// Finds the tokens of a text in the order they stand there.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(">>") {
        let inside = rest[..end].rsplit_once("<<").map(|(_, inside)| inside);
        rest = &rest[end + 2..];
        let Some((name, seq)) = inside.and_then(|inside| inside.rsplit_once(':')) else {
            continue;
        };
        if let Ok(seq) = seq.parse()
            && !name.is_empty()
        {
            found.push(Token {
                name: name.to_owned(),
                seq,
            });
        }
    }
    found
}

/// A generator that depends on the seed and on what is decided, never on when.
///
/// Two runs with one seed so send the same texts, delay the same calls and
/// repeat the same messages, however the threads were scheduled.
pub fn dice(seed: u64, what: impl Hash) -> SmallRng {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    what.hash(&mut hasher);
    SmallRng::seed_from_u64(hasher.finish())
}

/// Wall time, comparable between the processes of one machine.
pub fn unix_micros() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<String> {
        tokens(text).iter().map(Token::to_string).collect()
    }

    #[test]
    fn tokens_are_found_in_order() {
        assert_eq!(
            spelled("saw <<c1:1>> and <<c1:2>>"),
            ["<<c1:1>>", "<<c1:2>>"]
        );
        assert_eq!(spelled("<<p0:12>>"), ["<<p0:12>>"]);
    }

    #[test]
    fn broken_tokens_are_no_tokens() {
        assert!(spelled("<<c1:>> <<:1>> <<c1>> <<c1:x>> c1:1>> <<c1:1").is_empty());
        assert_eq!(spelled("<< <<c1:1>>"), ["<<c1:1>>"]);
        assert_eq!(spelled(">><<c1:1>>>>"), ["<<c1:1>>"]);
    }

    #[test]
    fn the_second_tenant_has_its_own_route_and_the_same_token() {
        let key = |door| Key {
            conversation: Conversation {
                door,
                name: "c7".to_owned(),
            },
            seq: 3,
        };
        assert_eq!(
            key(Door::Main).conversation.path("events"),
            "/chat/c7/events"
        );
        assert_eq!(
            key(Door::Other).conversation.path("events"),
            "/chat/other/c7/events"
        );
        assert_eq!(key(Door::Main).token(), key(Door::Other).token());
    }
}
