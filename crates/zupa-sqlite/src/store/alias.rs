//! Whose conversation an address leads to, in SQL.

use rusqlite::params;
use uuid::Uuid;
use zupa_core::{Address, Alias, AuditEntry, ConversationId, Result, Timestamp};

use super::audit;
use super::row::{Blob, Prepared, one};

/// The conversation that an address leads to, else one of the others; `fresh`, a new one,
/// if none does. Those that lead elsewhere stay as they are: nothing is merged, and the
/// audit says so once.
pub(super) fn conversation_of(
    connection: &Prepared<'_>,
    fresh: ConversationId,
    address: &Address,
    also: &[Alias],
    now: Timestamp,
) -> Result<ConversationId> {
    let mut found = None;
    for alias in std::iter::once(&address.alias).chain(also) {
        found = leads_to(connection, address, alias)?;
        if found.is_some() {
            break;
        }
    }
    let conversation = match found {
        Some(conversation) => conversation,
        None => {
            connection.run(
                "INSERT INTO conversations (id, tenant, channel, alias, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    fresh.as_bytes(),
                    address.tenant.as_str(),
                    address.channel.as_str(),
                    address.alias.as_str(),
                    now.0
                ],
            )?;
            *fresh.as_bytes()
        }
    };
    let id = ConversationId(Uuid::from_bytes(conversation));
    let is_contested = match found.is_none() || !also.is_empty() {
        true => know(connection, address, also, conversation)?,
        false => false,
    };
    if is_contested {
        note_contest(connection, id, now)?;
    }
    Ok(id)
}

fn leads_to(connection: &Prepared<'_>, address: &Address, alias: &Alias) -> Result<Option<Blob>> {
    connection.maybe(
        "SELECT conversation FROM aliases WHERE alias = ?1 AND channel = ?2 AND tenant = ?3",
        params![
            alias.as_str(),
            address.channel.as_str(),
            address.tenant.as_str()
        ],
        one,
    )
}

/// Lets those lead to a conversation that lead nowhere yet; true if one leads elsewhere.
pub(super) fn know(
    connection: &Prepared<'_>,
    address: &Address,
    also: &[Alias],
    conversation: Blob,
) -> Result<bool> {
    let mut is_contested = false;
    for alias in std::iter::once(&address.alias).chain(also) {
        let added = connection.run(
            "INSERT INTO aliases (alias, channel, tenant, conversation) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            params![
                alias.as_str(),
                address.channel.as_str(),
                address.tenant.as_str(),
                conversation
            ],
        )?;
        is_contested |= added == 0 && leads_to(connection, address, alias)? != Some(conversation);
    }
    Ok(is_contested)
}

fn note_contest(connection: &Prepared<'_>, id: ConversationId, now: Timestamp) -> Result<()> {
    let is_news = connection.run(
        "UPDATE conversations SET contested = 1 WHERE id = ?1 AND contested = 0",
        params![id.as_bytes()],
    )? == 1;
    if is_news {
        let entry = AuditEntry::told(now, "runtime", "conversation.contested");
        audit::append(connection, id, entry)?;
    }
    Ok(())
}
