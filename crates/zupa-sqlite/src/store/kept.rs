//! What a commit leaves beside its messages and waits: what the agent keeps of
//! the conversation, and facts.

use rusqlite::params;
use zupa_core::packed;
use zupa_core::store::Finish;
use zupa_core::{ConversationId, Fact, Result, StoredState, Timestamp};

use super::row::{Prepared, one};

/// Writes a state; its version goes with the conversation's row.
pub(super) fn write(
    connection: &Prepared<'_>,
    conversation: ConversationId,
    state: &StoredState,
) -> Result<()> {
    connection.run(
        "REPLACE INTO states (conversation, state) VALUES (?1, ?2)",
        params![conversation.as_bytes(), packed::pack(&state.json)?],
    )?;
    Ok(())
}

/// Reads the state of this version, as the conversation's row told.
pub(super) fn read(
    connection: &Prepared<'_>,
    conversation: ConversationId,
    version: Option<u32>,
) -> Result<Option<StoredState>> {
    let Some(version) = version else {
        return Ok(None);
    };
    let json = connection.one(
        "SELECT state FROM states WHERE conversation = ?1",
        params![conversation.as_bytes()],
        one,
    )?;
    let json = packed::unpack(json)?;
    Ok(Some(StoredState { version, json }))
}

/// Writes the facts of a commit, in order.
pub(super) fn facts(
    connection: &Prepared<'_>,
    item: &Finish,
    facts: &[Fact],
    now: Timestamp,
) -> Result<()> {
    for (ordinal, fact) in (0_i64..).zip(facts) {
        connection.run(
            "INSERT INTO facts (conversation, turn_id, ordinal, at, name, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                item.conversation.as_bytes(),
                item.turn.as_bytes(),
                ordinal,
                now.0,
                fact.name,
                fact.payload
            ],
        )?;
    }
    Ok(())
}
