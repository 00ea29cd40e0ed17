//! News about a person, in SQL: a human who writes to them by hand, another address, what
//! they want to hear.

use rusqlite::params;
use zupa_core::desk::NewHold;
use zupa_core::store::Attempt;
use zupa_core::{
    Address, AuditEntry, ConversationId, Hold, HoldKind, Lane, Person, Receipt, Result, Timestamp,
    Wish,
};

use super::row::{Prepared, one};
use super::{alias, audit, hold};

/// A human wrote to the person by hand, if it was not us, and not before the hand-back.
pub(super) fn echo(
    connection: &Prepared<'_>,
    item: &Receipt,
    to: &Person,
    now: Timestamp,
) -> Result<()> {
    let is_ours: bool = connection.one(
        "SELECT EXISTS (SELECT 1 FROM outbox o JOIN conversations c ON c.id = o.conversation
                        WHERE o.platform_id = ?1 AND c.channel = ?2 AND c.tenant = ?3)",
        params![
            item.about.as_str(),
            item.channel.as_str(),
            item.tenant.as_str()
        ],
        one,
    )?;
    if is_ours {
        return Ok(());
    }
    let (id, at) = (
        conversation_of(connection, item, to, now)?,
        item.happened_at(now),
    );
    let is_old: bool = connection.one(
        "SELECT coalesce(?2 <= handed_back_at, 0) FROM conversations WHERE id = ?1",
        params![id.as_bytes(), at.0],
        one,
    )?;
    if is_old {
        return Ok(());
    }
    let wish = NewHold {
        kind: HoldKind::Human,
        by: Hold::BY_DEVICE.into(),
        human_at: Some(at),
    };
    let entry = AuditEntry::told(now, Hold::BY_DEVICE, "conversation.held");
    hold::hold(connection, id, &wish, entry).map(drop)
}

/// The person has another address now.
pub(super) fn moved(
    connection: &Prepared<'_>,
    item: &Receipt,
    who: &Person,
    now: Timestamp,
) -> Result<()> {
    let (id, at) = (
        conversation_of(connection, item, who, now)?,
        item.happened_at(now),
    );
    let before: String = connection.one(
        "SELECT alias FROM conversations WHERE id = ?1",
        params![id.as_bytes()],
        one,
    )?;
    let is_newest = connection.run(
        "UPDATE conversations SET alias = ?2, alias_at = ?3
         WHERE id = ?1 AND ?3 >= coalesce(alias_at, ?3)",
        params![id.as_bytes(), who.alias.as_str(), at.0],
    )? == 1;
    if is_newest && before != who.alias.as_str() {
        let entry = AuditEntry::told(now, "person", "conversation.moved");
        audit::append(connection, id, entry)?;
    }
    Ok(())
}

/// The person says what they want to hear.
pub(super) fn wish(
    connection: &Prepared<'_>,
    item: &Receipt,
    (who, wish): (&Person, Wish),
    now: Timestamp,
) -> Result<()> {
    let (id, at) = (
        conversation_of(connection, item, who, now)?,
        item.happened_at(now),
    );
    let opts_out = wish == Wish::Nothing;
    let stood: Option<bool> = connection.maybe(
        "SELECT opted_out FROM conversations
         WHERE id = ?1 AND (opted_at IS NULL OR ?2 > opted_at)",
        params![id.as_bytes(), at.0],
        one,
    )?;
    let Some(stood) = stood else { return Ok(()) };
    connection.run(
        "UPDATE conversations SET opted_out = ?2, opted_at = ?3 WHERE id = ?1",
        params![id.as_bytes(), opts_out, at.0],
    )?;
    if stood != opts_out {
        let action = match wish {
            Wish::Anything => "conversation.opted_in",
            Wish::Nothing => "conversation.opted_out",
        };
        audit::append(connection, id, AuditEntry::told(now, "person", action))?;
    }
    Ok(())
}

/// Ends a delivery that would be sent, and that the person does not want to hear.
pub(super) fn cancel_unwanted(
    connection: &Prepared<'_>,
    item: &Attempt,
    now: Timestamp,
) -> Result<()> {
    connection.run(
        "UPDATE outbox SET state = 'cancelled', open = 0, reason = ?3, not_before = NULL,
             settled_at = ?4
         WHERE conversation = ?1 AND number = ?2 AND (state = 'queued' OR state = 'retry')
           AND (lane = ?5 OR unasked = 1)
           AND EXISTS (SELECT 1 FROM conversations WHERE id = ?1 AND opted_out = 1)",
        params![
            item.conversation.as_bytes(),
            item.number.0.cast_signed(),
            Lane::OPTED_OUT,
            now.0,
            Lane::Proactive.as_str()
        ],
    )?;
    Ok(())
}

/// The conversation of a person, who may have none yet.
fn conversation_of(
    connection: &Prepared<'_>,
    item: &Receipt,
    person: &Person,
    now: Timestamp,
) -> Result<ConversationId> {
    let address = Address {
        tenant: item.tenant.clone(),
        channel: item.channel.clone(),
        alias: person.alias.clone(),
    };
    let fresh = ConversationId::of_news(now, &address);
    alias::conversation_of(connection, fresh, &address, &person.also, now)
}
