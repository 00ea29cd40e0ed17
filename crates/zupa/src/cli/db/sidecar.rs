//! The description beside a backup, `FILE.json`: what a restore holds the file
//! against, and what people want to know before they take it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zupa_core::Timestamp;
use zupa_sqlite::backup::Contents;

use crate::cli::failure::{Code, Failure};
use crate::cli::files::{self, Measured, Part};

/// The words of version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    pub version: u32,
    /// Of the binary that took it.
    pub zupa: String,
    /// When it was begun: everything acknowledged before is in it.
    pub taken_at: String,
    pub bytes: u64,
    pub sha256: String,
    pub schema_version: i64,
    pub serves_from: i64,
    pub conversations: u64,
    pub inbounds: u64,
    pub turns: u64,
    pub audit_entries: u64,
    /// When the newest inbound in it was accepted.
    pub newest_accepted_at: Option<String>,
}

impl Sidecar {
    /// Of a backup that was begun at a time.
    pub fn of(taken_at: Timestamp, measured: &Measured, contents: &Contents) -> Self {
        Self {
            version: 1,
            zupa: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: taken_at.to_string(),
            bytes: measured.bytes,
            sha256: measured.sha256.clone(),
            schema_version: contents.schema_version,
            serves_from: contents.serves_from,
            conversations: contents.conversations,
            inbounds: contents.inbounds,
            turns: contents.turns,
            audit_entries: contents.audit_entries,
            newest_accepted_at: contents.newest_accepted_at.map(|at| at.to_string()),
        }
    }

    /// Writes it beside a backup, whole or not at all.
    pub fn write(&self, backup: &Path) -> Result<(), Failure> {
        let path = place(backup);
        let part = Part::of(&path);
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Failure::new(Code::Failed, "the backup's description is not JSON").because(error)
        })?;
        std::fs::write(&part.path, text + "\n")
            .map_err(|error| files::unwritable(&part.path, error))?;
        files::flush(&part.path)?;
        files::put_in_place(&part.path, &path)
    }

    /// Reads the one beside a backup, if there is one.
    pub fn read(backup: &Path) -> Result<Option<Self>, Failure> {
        let path = place(backup);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(files::unreadable(&path, error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Failure::new(
                Code::IntegrityViolated,
                format!("{} does not describe a backup", path.display()),
            )
            .because(error)
            .try_this("another backup; or move that file away to go without its digest")
        })
    }
}

/// Where it lies.
pub fn place(backup: &Path) -> PathBuf {
    files::beside(backup, ".json")
}
