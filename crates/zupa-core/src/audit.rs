//! Who did what and why: entries that only grow, each bound to the one before.
//!
//! A conversation's entries form one chain. Whoever holds the conversation
//! knows the head, computes the links, and the store takes them only if the
//! head has not moved; so no lock spans two conversations.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::TurnId;
use crate::time::Timestamp;

/// The stream of what is about the installation as a whole, and about no conversation.
pub const SYSTEM: &str = "system";

/// What happened, before it is bound to a chain. Holds no customer text: what
/// was said appears as a salted commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: `agent`, `runtime`, or an operator.
    pub actor: String,
    /// What: `turn.answered`, `turn.dead`, …
    pub action: String,
    /// Why, for people; empty where the action says it all.
    pub reason: String,
    /// The turn it belongs to.
    pub turn: Option<TurnId>,
    /// Digest of the configuration in force.
    pub config: Digest,
    /// Salted digest of what was said. Erasing body and salt leaves the chain
    /// verifiable and the words unknowable.
    pub commitment: Option<Digest>,
}

impl AuditEntry {
    /// What a human does on a device of the business, or a person there, as the platform
    /// tells it: `conversation.held`, `conversation.moved`, `conversation.opted_out`, …
    pub fn told(at: Timestamp, actor: &str, action: &str) -> Self {
        Self {
            at,
            actor: actor.into(),
            action: action.into(),
            reason: String::new(),
            turn: None,
            config: Digest::default(),
            commitment: None,
        }
    }
}

/// The end of a chain: how many entries it has and the hash of the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of the last entry; 0 when there is none.
    pub number: u64,
    /// Its hash; all zero when there is none.
    pub hash: Digest,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLink {
    /// Its place, from 1.
    pub number: u64,
    /// What happened.
    pub entry: AuditEntry,
    /// What opens the entry's commitment; erased with the words.
    pub salt: Option<u64>,
    /// Hash over the entry, its number, its stream and the hash before.
    pub hash: Digest,
}

impl AuditHead {
    /// Binds an entry behind this head and moves the head to it.
    pub fn append(&mut self, stream: &str, entry: AuditEntry, salt: Option<u64>) -> AuditLink {
        let number = self.number + 1;
        let hash = link_hash(stream, number, &self.hash, &entry);
        *self = Self { number, hash };
        AuditLink {
            number,
            entry,
            salt,
            hash,
        }
    }
}

/// Checks that `links` follow `head` without a gap or a change. Answers the
/// number of the first entry that does not fit.
pub fn verify(stream: &str, mut head: AuditHead, links: &[AuditLink]) -> Result<AuditHead, u64> {
    for link in links {
        let expected = head.append(stream, link.entry.clone(), link.salt);
        if expected.number != link.number || expected.hash != link.hash {
            return Err(link.number);
        }
    }
    Ok(head)
}

/// Commits to words without showing them.
pub fn commitment(salt: u64, words: &[u8]) -> Digest {
    Digest::of(&[&salt.to_be_bytes(), words].concat())
}

fn link_hash(stream: &str, number: u64, before: &Digest, entry: &AuditEntry) -> Digest {
    Digest::of_json(&(stream, number, before, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str) -> AuditEntry {
        AuditEntry {
            at: Timestamp(1),
            actor: "agent".into(),
            action: action.into(),
            reason: String::new(),
            turn: None,
            config: Digest::default(),
            commitment: None,
        }
    }

    #[test]
    fn a_changed_removed_or_swapped_entry_is_found() {
        let mut head = AuditHead::default();
        let links: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|action| head.append("s", entry(action), None))
            .collect();
        assert_eq!(verify("s", AuditHead::default(), &links), Ok(head));

        let mut changed = links.clone();
        changed[1].entry.reason = "another".into();
        assert_eq!(verify("s", AuditHead::default(), &changed), Err(2));

        let removed = [links[0].clone(), links[2].clone()];
        assert_eq!(verify("s", AuditHead::default(), &removed), Err(3));

        let swapped = [links[1].clone(), links[0].clone()];
        assert_eq!(verify("s", AuditHead::default(), &swapped), Err(2));
        assert_eq!(verify("other", AuditHead::default(), &links), Err(1));
    }
}
