//! How what happens on the path is told to the bus.
//!
//! Whoever tells builds the event here, so that nothing but counts, times and words of
//! the program can get into one. Nothing of the path waits for it, or depends on it.

use std::time::Duration;

use zupa_core::bus::{Draft, Label, Name, names};
use zupa_core::standing::State;
use zupa_core::store::{Accepted, ClaimedTurn, Delivery, Recovery, Settlement};
use zupa_core::{Completion, Error, EventId, Standing, Timestamp};

use crate::admission::Reason;
use crate::resilience::BreakerState;
use crate::steady::{Moved, News};

/// The outcome of what went well.
const OK: &str = "ok";

/// An event about a turn and the first of its inbounds.
pub(crate) fn of_turn(turn: &ClaimedTurn, name: Name) -> Draft {
    let draft = Draft::of(name)
        .conversation(turn.conversation)
        .turn(turn.turn);
    match turn.inbounds.first() {
        Some(first) => draft.inbound(first.event),
        None => draft,
    }
}

/// What became of an inbound.
pub(crate) fn accepted(event: EventId, accepted: &Accepted) -> Draft {
    match accepted {
        Accepted::Queued { conversation, .. } => Draft::of(names::INBOUND_ACCEPTED)
            .conversation(*conversation)
            .inbound(event),
        Accepted::Revoked { conversation, .. } => Draft::of(names::INBOUND_REVOKED)
            .inbound(event)
            .conversation(*conversation),
        Accepted::Expired { conversation } => Draft::of(names::INBOUND_EXPIRED)
            .conversation(*conversation)
            .inbound(event),
        Accepted::Duplicate { event } => Draft::of(names::INBOUND_DUPLICATE).inbound(*event),
        Accepted::Conflict { event } => Draft::of(names::INBOUND_CONFLICT).inbound(*event),
    }
}

/// Messages that were not taken.
pub(crate) fn refused(error: &Error, inbounds: usize) -> Draft {
    Draft::of(names::INBOUND_REFUSED)
        .with("reason", error.kind().as_str())
        .with("inbounds", inbounds)
}

/// Messages that were not taken because the doors are closed.
pub(crate) fn turned_away(reason: Reason, inbounds: usize) -> Draft {
    Draft::of(names::ADMISSION_REFUSED)
        .with("reason", reason.as_str())
        .with("inbounds", inbounds)
}

/// A turn that begins to run at `now`.
pub(crate) fn claimed(turn: &ClaimedTurn, now: Timestamp) -> Draft {
    let oldest = turn.inbounds.first().map(|first| first.accepted_at);
    of_turn(turn, names::TURN_CLAIMED)
        .with("runs", turn.runs)
        .with("inbounds", turn.inbounds.len())
        .with("waited", now.since(oldest.unwrap_or(now)))
}

/// A call of the model.
pub(crate) fn model_called(
    turn: &ClaimedTurn,
    took: Duration,
    completion: Result<&Completion, &Error>,
) -> Draft {
    let draft = of_turn(turn, names::MODEL_CALLED).with("took", took);
    match completion {
        Ok(completion) => match completion.usage {
            Some(usage) => draft
                .with("outcome", OK)
                .with("input_tokens", usage.input_tokens)
                .with("output_tokens", usage.output_tokens),
            None => draft.with("outcome", OK),
        },
        Err(error) => draft.with("outcome", error.kind().as_str()),
    }
}

/// A call of a tool.
pub(crate) fn tool_called(
    turn: &ClaimedTurn,
    tool: &str,
    took: Duration,
    failed: Option<&Error>,
) -> Draft {
    of_turn(turn, names::TOOL_CALLED)
        .with("tool", Label::new(tool))
        .with("outcome", failed.map_or(OK, |error| error.kind().as_str()))
        .with("took", took)
}

/// A hook that failed, but for the kind of its error.
pub(crate) fn hook_failed(turn: &ClaimedTurn, hook: &'static str) -> Draft {
    of_turn(turn, names::HOOK_FAILED).with("hook", hook)
}

/// A voice message that was given to a transcriber, or an answer to a synthesizer.
pub(crate) fn speech_called(
    turn: &ClaimedTurn,
    name: Name,
    took: Duration,
    failed: Option<&Error>,
) -> Draft {
    of_turn(turn, name)
        .with("outcome", failed.map_or(OK, |error| error.kind().as_str()))
        .with("took", took)
}

/// A breaker that has changed.
pub(crate) fn breaker(port: &'static str, breaker: &str, state: BreakerState) -> Draft {
    let name = match state {
        BreakerState::Closed => names::BREAKER_CLOSED,
        BreakerState::Open => names::BREAKER_OPENED,
        BreakerState::HalfOpen => names::BREAKER_HALF_OPEN,
    };
    Draft::of(name)
        .with("port", port)
        .with("breaker", Label::new(breaker))
}

/// How a channel stands from now on.
pub(crate) fn stands(standing: &Standing, state: State) -> Draft {
    let name = match state {
        State::Starting => names::CHANNEL_STARTING,
        State::Authenticated => names::CHANNEL_AUTHENTICATED,
        State::Ready => names::CHANNEL_READY,
        State::Degraded(_) => names::CHANNEL_DEGRADED,
        State::Blocked(_) => names::CHANNEL_BLOCKED,
    };
    let draft = Draft::of(name)
        .with("channel", Label::new(standing.channel.as_str()))
        .with("kind", standing.kind);
    match state.reason() {
        Some(reason) => draft.with("reason", reason),
        None => draft,
    }
}

/// A call of a port that failed and is made again after a wait.
pub(crate) fn call_retried(port: &'static str, error: &Error, delay: Duration) -> Draft {
    Draft::of(names::CALL_RETRIED)
        .with("port", port)
        .with("class", error.kind().as_str())
        .with("delay", delay)
}

/// A node that has ended.
pub(crate) fn left_node(
    turn: &ClaimedTurn,
    node: &str,
    took: Duration,
    outcome: &'static str,
) -> Draft {
    of_turn(turn, names::NODE_TRANSITION)
        .with("node", Label::new(node))
        .with("took", took)
        .with("outcome", outcome)
}

/// A message whose row is its delivery.
pub(crate) fn sent(turn: &ClaimedTurn) -> Draft {
    of_turn(turn, names::DELIVERY_SENT).with("attempt", 1_u64)
}

/// What became of an attempt to send, or of a send in doubt, as of `now`.
pub(crate) fn settled(delivery: &Delivery, settlement: &Settlement, now: Timestamp) -> Draft {
    let of = |name| {
        Draft::of(name)
            .conversation(delivery.conversation)
            .turn(delivery.id.turn)
            .with("attempt", delivery.attempts)
    };
    match settlement {
        Settlement::Sent { .. } => of(names::DELIVERY_SENT),
        Settlement::Retry { kind, not_before } => of(names::DELIVERY_RETRIED)
            .with("class", kind.as_str())
            .with("delay", not_before.since(now)),
        Settlement::Failed { kind } | Settlement::Cancelled { kind } => {
            of(names::DELIVERY_FAILED).with("class", kind.as_str())
        }
        Settlement::InDoubt { .. } => of(names::DELIVERY_IN_DOUBT),
        Settlement::Unknown => of(names::DELIVERY_UNKNOWN),
        Settlement::SendAgain => of(names::DELIVERY_SENT_AGAIN),
        Settlement::Resend => of(names::DELIVERY_DOUBLED),
    }
}

/// What became of a jump of the clock.
pub(crate) fn clock(news: News) -> Draft {
    let moved = |name, Moved { by, way }| Draft::of(name).with("by", by).with("way", way);
    match news {
        News::Jumped(by) => moved(names::CLOCK_JUMPED, by),
        News::Followed(by) => moved(names::CLOCK_FOLLOWED, by),
        News::TakenBack => Draft::of(names::CLOCK_TAKEN_BACK),
    }
}

/// What a start has found.
pub(crate) fn recovered(recovery: &Recovery, took: Duration) -> Draft {
    let end = if recovery.unclean { "unclean" } else { "clean" };
    Draft::of(names::RUNTIME_RECOVERED)
        .with("turns", recovery.turns_resumed)
        .with("in_doubt", recovery.deliveries_in_doubt)
        .with("suspects", recovery.suspects.len())
        .with("took", took)
        .with("end", end)
}
