//! Stop 2, `claim`: wishes on their way into `zupa.claim`, and what it answers.

use serde::Deserialize;
use uuid::Uuid;
use zupa_core::packed;
use zupa_core::store::{Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Renew};
use zupa_core::{
    Address, Alias, AuditHead, ChannelId, Claimed, Coming, Content, ConversationId, Correlation,
    Digest, EffectClass, Epoch, Error, ErrorKind, EventId, Number, Result, Step, StoredState,
    TenantId, Timestamp, TurnId,
};

use super::decode;
use super::item::item;
use super::life::Verdict;
use super::wait::{self, Waiting};

item! {
    /// A wish to take a conversation.
    ClaimItem is "zupa.claim_item" {
        conversation: Uuid,
        turn: Uuid,
        process: Uuid,
        expires_at: i64,
        mode: i32,
        loads: i64,
    }
}

pub(super) fn claim(item: &Claim) -> ClaimItem {
    ClaimItem {
        conversation: item.conversation.0,
        turn: item.turn.0,
        process: item.process.0,
        expires_at: item.expires_at.0,
        mode: match item.mode {
            ClaimMode::Normal => 0,
            ClaimMode::Suspect => 1,
            ClaimMode::Alone => 2,
        },
        loads: item.loads.into(),
    }
}

item! {
    /// A sign of life for a claim.
    RenewalItem is "zupa.renewal_item" {
        conversation: Uuid,
        turn: Uuid,
        epoch: i64,
        expires_at: i64,
    }
}

pub(super) fn renewal(item: &Renew) -> RenewalItem {
    RenewalItem {
        conversation: item.conversation.0,
        turn: item.turn.0,
        epoch: item.epoch.0.cast_signed(),
        expires_at: item.expires_at.0,
    }
}

/// What became of a wish.
#[derive(Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub(super) enum Answer {
    Taken(Box<Taken>),
    NotYet {
        at: i64,
    },
    Held {
        until: i64,
    },
    Suspected {
        mode: u8,
    },
    Newer,
    Paused,
    Nothing,
    /// The turn was running at a death too many: it is to be ended first.
    Verdict(Verdict),
}

/// A turn in the hands of its claimer.
#[derive(Deserialize)]
pub(super) struct Taken {
    conversation: Uuid,
    turn: Uuid,
    tenant: TenantId,
    channel: ChannelId,
    alias: Alias,
    epoch: u64,
    runs: u32,
    failures: u32,
    provider_failures: u32,
    audit_number: u64,
    audit_hash: Digest,
    request_id: Option<String>,
    trace_id: Option<String>,
    inbounds: Option<Vec<TakenInbound>>,
    steps: Option<Vec<TakenStep>>,
    #[serde(default)]
    said: u32,
    state_version: Option<u32>,
    state: Option<String>,
    waits: Option<Vec<Waiting>>,
    outbox_busy: bool,
}

#[derive(Deserialize)]
struct TakenInbound {
    event: Uuid,
    number: u64,
    accepted_at: i64,
    content: String,
    speaker: Option<Alias>,
    coming: Coming,
}

#[derive(Deserialize)]
struct TakenStep {
    key: String,
    ordinal: u32,
    input: Digest,
    class: String,
    result: Option<String>,
}

/// The answer, unless a verdict has to be written first.
pub(super) fn outcome(answer: Answer) -> Result<Result<ClaimOutcome, Verdict>> {
    Ok(Ok(match answer {
        Answer::Taken(taken) => ClaimOutcome::Taken(turn(*taken)?),
        Answer::NotYet { at } => ClaimOutcome::NotYet(Timestamp(at)),
        Answer::Held { until } => ClaimOutcome::Held(Timestamp(until)),
        Answer::Suspected { mode } => ClaimOutcome::Suspected(mode_of(mode)),
        Answer::Newer => ClaimOutcome::Newer,
        Answer::Paused => ClaimOutcome::Paused,
        Answer::Nothing => ClaimOutcome::Nothing,
        Answer::Verdict(verdict) => return Ok(Err(verdict)),
    }))
}

/// The turn of an offer that was taken up.
pub(super) fn turn(taken: Taken) -> Result<Box<ClaimedTurn>> {
    let inbounds = taken.inbounds.unwrap_or_default().into_iter().map(claimed);
    let steps = taken.steps.unwrap_or_default().into_iter().map(step);
    let waits = taken.waits.unwrap_or_default().into_iter().map(wait::read);
    let state = taken.state.map(packed::unpack).transpose()?;
    Ok(Box::new(ClaimedTurn {
        turn: TurnId(taken.turn),
        conversation: ConversationId(taken.conversation),
        address: Address {
            tenant: taken.tenant,
            channel: taken.channel,
            alias: taken.alias,
        },
        epoch: Epoch(taken.epoch),
        runs: taken.runs,
        failures: taken.failures,
        provider_failures: taken.provider_failures,
        inbounds: inbounds.collect::<Result<_>>()?,
        steps: steps.collect::<Result<_>>()?,
        said: taken.said,
        state: taken.state_version.zip(state).map(kept),
        waits: waits.collect::<Result<_>>()?,
        audit: AuditHead {
            number: taken.audit_number,
            hash: taken.audit_hash,
        },
        outbox_busy: taken.outbox_busy,
        correlation: Correlation {
            request_id: taken.request_id,
            trace_id: taken.trace_id,
        },
    }))
}

fn step(step: TakenStep) -> Result<Step> {
    Ok(Step {
        key: step.key,
        ordinal: step.ordinal,
        input: step.input,
        class: EffectClass::parse(&step.class).ok_or_else(|| decode::unknown(&step.class))?,
        result: step.result.map(packed::unpack).transpose()?,
    })
}

fn kept((version, json): (u32, String)) -> StoredState {
    StoredState { version, json }
}

fn claimed(inbound: TakenInbound) -> Result<Claimed> {
    let content: Content = serde_json::from_str(&inbound.content).map_err(|source| {
        Error::new(ErrorKind::Corrupt, "stored JSON cannot be read").with_source(source)
    })?;
    Ok(Claimed {
        event: EventId(inbound.event),
        number: Number(inbound.number),
        accepted_at: Timestamp(inbound.accepted_at),
        content,
        speaker: inbound.speaker,
        coming: inbound.coming,
    })
}

pub(super) fn mode_of(number: u8) -> ClaimMode {
    match number {
        0 => ClaimMode::Normal,
        1 => ClaimMode::Suspect,
        _ => ClaimMode::Alone,
    }
}
