//! The audit stream `system`, as operators read it. Shared by the route and the command
//! line, so that both show the same.

use serde::{Deserialize, Serialize};
use zupa_core::{AuditLink, Desk, Result};

/// One entry: who did what to the installation, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the stream, from 1.
    pub number: u64,
    /// When, as RFC 3339.
    pub at: String,
    /// Who: `operator` or `runtime`.
    pub actor: String,
    /// What: `breaker.opened`, …
    pub action: String,
    /// Why, and of what.
    pub reason: String,
    /// Digest of the configuration in force, in hexadecimal.
    pub config: String,
    /// Hash of the entry, bound to the one before, in hexadecimal.
    pub hash: String,
}

/// A page of entries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// The entries.
    pub entries: Vec<Entry>,
    /// True when there are older ones: before the number of the last.
    pub more: bool,
}

impl Entry {
    fn of(link: AuditLink) -> Self {
        Self {
            number: link.number,
            at: link.entry.at.to_string(),
            actor: link.entry.actor,
            action: link.entry.action,
            reason: link.entry.reason,
            config: link.entry.config.to_hex(),
            hash: link.hash.to_hex(),
        }
    }
}

/// Reads the newest entries, those before `before` only, at most `limit`.
///
/// *Errors*: as [`Desk::acts`].
pub async fn list(desk: &dyn Desk, before: Option<u64>, limit: usize) -> Result<Entries> {
    let acts = desk.acts().await?.into_iter().rev();
    let mut older = acts.skip_while(|link| before.is_some_and(|before| link.number >= before));
    let entries = older.by_ref().take(limit).map(Entry::of).collect();
    let more = older.next().is_some();
    Ok(Entries { entries, more })
}
