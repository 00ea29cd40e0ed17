//! Stop 5, `deliver`: attempts and settlements on their way into `zupa.attempt`
//! and `zupa.settle`.

use serde::Deserialize;
use uuid::Uuid;
use zupa_core::store::{Attempt, Attempted, Settle, Settlement};
use zupa_core::{DeliveryState, PlatformId, Timestamp, WhenClosed};

use super::item::{integer, item, micros};

item! {
    /// A wish to send.
    AttemptItem is "zupa.attempt_item" {
        conversation: Uuid,
        number: i64,
        attempt: i32,
        answer_by: i64,
        every: Option<i64>,
        burst: Option<i32>,
        slack: Option<i64>,
        open_for: Option<i64>,
        closed: &'static str,
        at_most: Option<i64>,
    }
}

pub(super) fn attempt(item: &Attempt) -> AttemptItem {
    let (closed, at_most) = match item.window.map(|window| window.closed) {
        None | Some(WhenClosed::Template { .. }) => ("stays", None),
        Some(WhenClosed::Wait { at_most }) => ("waits", Some(micros(at_most))),
        Some(WhenClosed::Review) => (DeliveryState::Failed.as_str(), None),
        Some(WhenClosed::Drop) => (DeliveryState::Cancelled.as_str(), None),
    };
    AttemptItem {
        conversation: item.conversation.0,
        number: item.number.0.cast_signed(),
        attempt: integer(item.attempt),
        answer_by: item.answer_by.0,
        every: item.pace.map(|pace| micros(pace.every)),
        burst: item.pace.map(|pace| integer(pace.burst)),
        slack: item.pace.map(|pace| micros(pace.slack)),
        open_for: item.window.map(|window| micros(window.open_for)),
        closed,
        at_most,
    }
}

/// What `zupa.attempt` answers to each.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Granted(bool),
    /// Too early.
    Paced {
        until: i64,
    },
    Window(Window),
}

/// What a closed reply window has led to.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Window {
    Closed,
    Ended,
}

impl From<Answer> for Attempted {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Granted(true) => Self::Granted,
            Answer::Granted(false) => Self::Lost,
            Answer::Paced { until } => Self::Paced {
                until: Timestamp(until),
            },
            Answer::Window(Window::Closed) => Self::Closed,
            Answer::Window(Window::Ended) => Self::Ended,
        }
    }
}

item! {
    /// What happened to an attempt.
    SettlementItem is "zupa.settlement_item" {
        conversation: Uuid,
        number: i64,
        attempt: i32,
        state: &'static str,
        open: bool,
        not_before: Option<i64>,
        reason: Option<&'static str>,
        platform_id: Option<String>,
        failed: Option<&'static str>,
        doubled: i32,
    }
}

pub(super) fn settlement(item: &Settle) -> SettlementItem {
    let (state, not_before, reason) = match &item.settlement {
        Settlement::Sent { .. } => (DeliveryState::Sent, None, None),
        Settlement::Retry { not_before, kind } => (
            DeliveryState::Retry,
            Some(not_before.0),
            Some(kind.as_str()),
        ),
        Settlement::Cancelled { kind } => (DeliveryState::Cancelled, None, Some(kind.as_str())),
        Settlement::Failed { kind } => (DeliveryState::Failed, None, Some(kind.as_str())),
        Settlement::InDoubt { until } => (DeliveryState::InDoubt, Some(until.0), None),
        Settlement::Unknown => (DeliveryState::Unknown, None, Some("no evidence")),
        Settlement::SendAgain | Settlement::Resend => (DeliveryState::Queued, None, None),
    };
    let failed = match &item.settlement {
        Settlement::Retry { .. } | Settlement::Failed { .. } => Some("the channel did not take it"),
        Settlement::Unknown => Some("nobody knows whether it has left"),
        _ => None,
    };
    let platform_id = match &item.settlement {
        Settlement::Sent { platform_id } => platform_id.as_ref().map(PlatformId::as_str),
        _ => None,
    };
    SettlementItem {
        conversation: item.conversation.0,
        number: item.number.0.cast_signed(),
        attempt: integer(item.attempt),
        state: state.as_str(),
        open: state.is_open(),
        not_before,
        reason,
        platform_id: platform_id.map(str::to_owned),
        failed,
        doubled: i32::from(item.settlement == Settlement::Resend),
    }
}
