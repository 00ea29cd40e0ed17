//! What a claim hands over: the inbounds of its range, and what the turn goes on
//! from.

use rusqlite::{Row, params};
use uuid::Uuid;
use zupa_core::packed;
use zupa_core::store::{Claim, ClaimedTurn};
use zupa_core::{
    Address, Alias, AuditHead, ChannelId, Claimed, Coming, Content, ConversationId, Correlation,
    Digest, EffectClass, Epoch, Error, ErrorKind, EventId, Number, Result, Step, TenantId,
    Timestamp, TurnId, Wait,
};

use super::claim::Seen;
use super::row::{Blob, Prepared, from_json, one};
use super::wait_row::WaitRow;
use super::{kept, waits};

/// Inbounds that a turn takes, in order.
pub(super) struct Range(Vec<Taken>);

struct Taken {
    claimed: Claimed,
    is_internal: bool,
    correlation: Correlation,
}

impl Range {
    /// Reads what is queued from a number to another, at most so many; a negative
    /// limit is none. Up to `split_until` a turn has had it that was divided.
    pub(super) fn read(
        connection: &Prepared<'_>,
        conversation: ConversationId,
        (first, last, limit): (i64, i64, i64),
        split_until: i64,
    ) -> Result<Self> {
        let rows = connection.all(
            "SELECT event_id, number, accepted_at, content, request_id, trace_id,
                    origin = 'internal', redriven, speaker
             FROM inbounds
             WHERE conversation = ?1 AND number BETWEEN ?2 AND ?3 AND state = 'queued'
             ORDER BY number LIMIT ?4",
            params![conversation.as_bytes(), first, last, limit],
            |row: &Row<'_>| {
                let event = EventId(Uuid::from_bytes(row.get(0)?));
                let number: i64 = row.get(1)?;
                let coming = match row.get(7)? {
                    true => Coming::Redriven,
                    false if number <= split_until => Coming::Divided,
                    false => Coming::New,
                };
                let number = Number(number.cast_unsigned());
                let place = (event, number, Timestamp(row.get(2)?), coming);
                let correlation = Correlation {
                    request_id: row.get(4)?,
                    trace_id: row.get(5)?,
                };
                let content: String = row.get(3)?;
                let said = (content, row.get::<_, Option<String>>(8)?);
                Ok((place, said, correlation, row.get::<_, bool>(6)?))
            },
        )?;
        rows.into_iter()
            .map(
                |((event, number, accepted_at, coming), said, correlation, is_internal)| {
                    let (content, speaker) = said;
                    Ok(Taken {
                        claimed: Claimed {
                            event,
                            number,
                            accepted_at,
                            content: from_json(&content)?,
                            speaker: speaker.map(Alias::parse).transpose()?,
                            coming,
                        },
                        is_internal,
                        correlation,
                    })
                },
            )
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Leaves an internal inbound alone, and one that no door could read, and what comes
    /// before it to itself.
    pub(super) fn end_before_one_alone(&mut self) {
        let mut rows = self.0.iter();
        let is_alone =
            |taken: &Taken| taken.is_internal || taken.claimed.content.undecoded().is_some();
        if let Some(place) = rows.position(is_alone) {
            self.0.truncate(place.max(1));
        }
    }

    pub(super) fn is_internal(&self) -> bool {
        self.0.first().is_some_and(|taken| taken.is_internal)
    }

    pub(super) fn len(&self) -> i64 {
        self.0.len() as i64
    }
}

/// A turn and its range.
pub(super) struct Handed {
    pub turn: Blob,
    pub range: Range,
}

impl Handed {
    /// Hands it over as a first run.
    pub(super) fn over(
        self,
        connection: &Prepared<'_>,
        wish: &Claim,
        seen: &Seen,
    ) -> Result<ClaimedTurn> {
        let (tenant, channel, alias) = &seen.address;
        let waits = self.waits(connection, wish.conversation, seen.open_replies)?;
        let mut correlation = None;
        let inbounds = self.range.0.into_iter().map(|taken| {
            correlation.get_or_insert(taken.correlation);
            taken.claimed
        });
        Ok(ClaimedTurn {
            turn: TurnId(Uuid::from_bytes(self.turn)),
            conversation: wish.conversation,
            address: Address {
                tenant: TenantId::parse(tenant.as_str())?,
                channel: ChannelId::parse(channel.as_str())?,
                alias: Alias::parse(alias.as_str())?,
            },
            epoch: Epoch((seen.epoch + 1).cast_unsigned()),
            runs: 1,
            failures: 0,
            provider_failures: 0,
            inbounds: inbounds.collect(),
            steps: Vec::new(),
            said: 0,
            state: kept::read(connection, wish.conversation, seen.state_version)?,
            waits,
            audit: AuditHead {
                number: seen.audit.0.cast_unsigned(),
                hash: Digest(seen.audit.1),
            },
            outbox_busy: connection.one(
                "SELECT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_open
                     WHERE conversation = ?1 AND open = 1)",
                params![wish.conversation.as_bytes()],
                one,
            )?,
            correlation: correlation.unwrap_or_default(),
        })
    }

    /// What the turn has to do with waits: nothing is asked where none is open.
    fn waits(
        &self,
        connection: &Prepared<'_>,
        conversation: ConversationId,
        open_replies: i64,
    ) -> Result<Vec<Wait>> {
        let Some(first) = self.range.0.first() else {
            return Ok(Vec::new());
        };
        if let (true, Content::Settled { wait }) = (first.is_internal, &first.claimed.content) {
            return match waits::find(connection, *wait)? {
                Some(settled) if settled.opened.resume.is_some() => group(connection, settled.turn),
                alone => Ok(alone.into_iter().collect()),
            };
        }
        if first.is_internal || open_replies == 0 {
            return Ok(Vec::new());
        }
        let rows = connection.all(
            "SELECT * FROM waits INDEXED BY waits_replies
             WHERE conversation = ?1 AND state = 'open' AND kind = 'reply'
               AND opened_behind < ?2 AND (expires_at IS NULL OR expires_at > ?3)
             ORDER BY rowid DESC",
            params![
                conversation.as_bytes(),
                first.claimed.number.0.cast_signed(),
                first.claimed.accepted_at.0
            ],
            WaitRow::written,
        )?;
        rows.into_iter().map(WaitRow::wait).collect()
    }
}

/// The waits of a parked turn, in the order of opening.
fn group(connection: &Prepared<'_>, turn: TurnId) -> Result<Vec<Wait>> {
    let rows = connection.all(
        "SELECT * FROM waits WHERE turn_id = ?1 AND node IS NOT NULL ORDER BY rowid",
        params![turn.as_bytes()],
        WaitRow::written,
    )?;
    rows.into_iter().map(WaitRow::wait).collect()
}

/// A turn's journal, in order.
pub(super) fn steps(connection: &Prepared<'_>, turn: Blob) -> Result<Vec<Step>> {
    let rows = connection.all(
        "SELECT step_key, input, result, ordinal, class FROM steps WHERE turn_id = ?1
         ORDER BY ordinal, recorded_at",
        params![turn],
        |row| {
            let result: String = row.get(2)?;
            let class: String = row.get(4)?;
            Ok((row.get(0)?, Digest(row.get(1)?), result, row.get(3)?, class))
        },
    )?;
    rows.into_iter()
        .map(|(key, input, result, ordinal, class)| {
            Ok(Step {
                key,
                ordinal,
                input,
                class: EffectClass::parse(&class).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Corrupt,
                        "a stored effect class is not one of ours",
                    )
                    .with("class", class)
                })?,
                result: (!result.is_empty())
                    .then(|| packed::unpack(result))
                    .transpose()?,
            })
        })
        .collect()
}
