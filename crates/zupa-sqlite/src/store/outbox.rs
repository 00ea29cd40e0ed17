//! Outbox rows, written by commits and by steps.

use rusqlite::params;
use zupa_core::store::OutboxRow;
use zupa_core::{ConversationId, DeliveryState, Hold, Result, Timestamp, TurnId};

use super::row::{Prepared, json};

/// Where a turn's next rows stand.
pub(super) struct Place {
    pub conversation: ConversationId,
    pub turn: TurnId,
    /// The first number; the others follow.
    pub number: i64,
    /// The first ordinal; the others follow.
    pub ordinal: i64,
    /// Whether they are written with a step.
    pub said: bool,
    /// Whether a human has the conversation: then nothing leaves.
    pub held: bool,
}

/// Writes rows from this place on.
pub(super) fn write(
    connection: &Prepared<'_>,
    place: &Place,
    rows: &[OutboxRow],
    now: Timestamp,
) -> Result<()> {
    for (at, row) in (0..).zip(rows) {
        let outbound = &row.outbound;
        let (state, answer_by, reason) = match place.held {
            true => (DeliveryState::Cancelled, None, Some(Hold::REASON)),
            false => (row.state, row.answer_by, None),
        };
        connection.run(
            "INSERT INTO outbox (conversation, number, turn_id, ordinal, lane, content, state, open,
                 attempts, not_before, committed_at, settled_at, aside, said, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?12, ?8, ?9, ?10, ?11, ?13, ?14, ?15)",
            params![
                place.conversation.as_bytes(),
                place.number + at,
                place.turn.as_bytes(),
                place.ordinal + at,
                outbound.lane.as_str(),
                json(&outbound.content)?,
                state.as_str(),
                state == DeliveryState::Sending,
                answer_by.map(|at| at.0),
                now.0,
                matches!(state, DeliveryState::Sent | DeliveryState::Cancelled).then_some(now.0),
                state.is_open(),
                outbound.aside,
                place.said,
                reason
            ],
        )?;
    }
    Ok(())
}
