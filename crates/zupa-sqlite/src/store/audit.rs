//! Entries of the audit chains: one for each conversation, and one for the installation.

use rusqlite::params;
use uuid::Uuid;
use zupa_core::audit::SYSTEM;
use zupa_core::{AuditEntry, AuditHead, AuditLink, ConversationId, Digest, Result};

use super::row::{Blob, Prepared};

/// Binds an entry behind the head of a conversation's chain; answers its rowid.
pub(super) fn append(
    connection: &Prepared<'_>,
    conversation: ConversationId,
    entry: AuditEntry,
) -> Result<i64> {
    let mut head = connection.one(
        "SELECT audit_number, audit_hash FROM conversations WHERE id = ?1",
        params![conversation.as_bytes()],
        |row| {
            Ok(AuditHead {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                hash: Digest(row.get(1)?),
            })
        },
    )?;
    let link = head.append(&conversation.to_string(), entry, None);
    write(connection, conversation, &link)?;
    let row = connection.last_insert_rowid();
    connection.run(
        "UPDATE conversations SET audit_number = ?2, audit_hash = ?3 WHERE id = ?1",
        params![
            conversation.as_bytes(),
            link.number.cast_signed(),
            link.hash.0
        ],
    )?;
    Ok(row)
}

/// The rows of the stream [`SYSTEM`] are those of a conversation that never is.
pub(crate) const SYSTEM_STREAM: ConversationId = ConversationId(Uuid::nil());

/// Binds an entry behind the head of the stream [`SYSTEM`].
pub(super) fn append_to_system(connection: &Prepared<'_>, entry: AuditEntry) -> Result<()> {
    let head = connection.maybe(
        "SELECT number, hash FROM audit_heads WHERE stream = ?1",
        params![SYSTEM],
        |row| {
            Ok(AuditHead {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                hash: Digest(row.get(1)?),
            })
        },
    )?;
    let link = head.unwrap_or_default().append(SYSTEM, entry, None);
    write(connection, SYSTEM_STREAM, &link)?;
    connection.run(
        "INSERT INTO audit_heads (stream, number, hash) VALUES (?1, ?2, ?3)
         ON CONFLICT (stream) DO UPDATE SET number = excluded.number, hash = excluded.hash",
        params![SYSTEM, link.number.cast_signed(), link.hash.0],
    )?;
    Ok(())
}

/// Writes an entry that is bound already. Whoever did so moves the head.
pub(super) fn write(
    connection: &Prepared<'_>,
    conversation: ConversationId,
    link: &AuditLink,
) -> Result<()> {
    let entry = &link.entry;
    let turn: Option<Blob> = entry.turn.map(|turn| *turn.as_bytes());
    connection.run(
        "INSERT INTO audit (stream, number, at, actor, action, reason, turn_id, config,
             commitment, salt, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            conversation.as_bytes(),
            link.number.cast_signed(),
            entry.at.0,
            entry.actor,
            entry.action,
            entry.reason,
            turn,
            entry.config.0,
            entry.commitment.map(|digest| digest.0),
            link.salt.map(u64::cast_signed),
            link.hash.0
        ],
    )?;
    Ok(())
}
