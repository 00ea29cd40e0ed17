//! Stop 1, `accept`: inbounds on their way into `zupa.accept`, and its answers.

use serde::Deserialize;
use uuid::Uuid;
use zupa_core::packed;
use zupa_core::store::{Accept, Accepted};
use zupa_core::{Alias, ConversationId, Error, EventId, Number, Result, Timestamp};

use super::item::{integer, item, json, text};

item! {
    /// An inbound to accept.
    InboundItem is "zupa.inbound_item" {
        event: Uuid,
        conversation: Uuid,
        tenant: String,
        channel: String,
        alias: String,
        also: Vec<String>,
        speaker: Option<String>,
        platform_id: String,
        scope: String,
        platform_time: Option<i64>,
        content: String,
        digest: Vec<u8>,
        raw: Option<Vec<u8>>,
        request_id: Option<String>,
        trace_id: Option<String>,
        silence: i64,
        max_wait: i64,
        max_count: i32,
        expires_before: i64,
        offer_turn: Option<Uuid>,
        offer_process: Option<Uuid>,
        offer_expires_at: Option<i64>,
        offer_loads: Option<i64>,
    }
}

pub(super) fn inbound(item: &Accept) -> Result<InboundItem> {
    let inbound = &item.inbound;
    let platform_id = inbound
        .platform_id
        .as_ref()
        .ok_or_else(|| Error::invalid("an inbound to accept has no platform id"))?;
    let raw = inbound.raw.as_deref().map(packed::pack_bytes).transpose()?;
    let owned = |alias: &Alias| alias.as_str().to_owned();
    Ok(InboundItem {
        event: item.event.0,
        conversation: item.conversation.0,
        tenant: inbound.address.tenant.as_str().to_owned(),
        channel: inbound.address.channel.as_str().to_owned(),
        alias: owned(&inbound.address.alias),
        also: inbound.also.iter().map(owned).collect(),
        speaker: inbound.speaker.as_ref().map(owned),
        platform_id: platform_id.as_str().to_owned(),
        scope: text(&inbound.scope),
        platform_time: inbound.platform_time.map(|at| at.0),
        content: json(&inbound.content)?,
        digest: inbound.content.digest().0.to_vec(),
        raw: raw.map(|raw| raw.into_owned().into_bytes()),
        request_id: inbound.correlation.request_id.as_deref().map(text),
        trace_id: inbound.correlation.trace_id.as_deref().map(text),
        silence: micros(item.burst.silence),
        max_wait: micros(item.burst.max_wait),
        max_count: integer(item.burst.max_count),
        expires_before: item.expires_before.0,
        offer_turn: item.offer.map(|offer| offer.turn.0),
        offer_process: item.offer.map(|offer| offer.process.0),
        offer_expires_at: item.offer.map(|offer| offer.expires_at.0),
        offer_loads: item.offer.map(|offer| offer.loads.into()),
    })
}

fn micros(of: std::time::Duration) -> i64 {
    i64::try_from(of.as_micros()).unwrap_or(i64::MAX / 4)
}

#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub(super) enum Answer {
    Queued {
        conversation: Uuid,
        number: u64,
        due_at: i64,
    },
    Expired {
        conversation: Uuid,
    },
    Revoked {
        conversation: Uuid,
        number: u64,
    },
    Duplicate {
        event: Uuid,
    },
    Conflict {
        event: Uuid,
    },
}

impl From<Answer> for Accepted {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Queued {
                conversation,
                number,
                due_at,
            } => Self::Queued {
                conversation: ConversationId(conversation),
                number: Number(number),
                due_at: Timestamp(due_at),
            },
            Answer::Expired { conversation } => Self::Expired {
                conversation: ConversationId(conversation),
            },
            Answer::Revoked {
                conversation,
                number,
            } => Self::Revoked {
                conversation: ConversationId(conversation),
                number: Number(number),
            },
            Answer::Duplicate { event } => Self::Duplicate {
                event: EventId(event),
            },
            Answer::Conflict { event } => Self::Conflict {
                event: EventId(event),
            },
        }
    }
}
