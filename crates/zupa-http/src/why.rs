//! Why a message stands where it stands, in one sentence: one terminal reason
//! per end, or what it waits for. Pure, so that the CLI says the same.

use zupa_core::desk::{InboundView, TurnSummary, TurnView};
use zupa_core::{DeliveryState, InboundState, TurnState};

/// The answer to `turn why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Stable, for programs. An end has its state's name (`answered`, `silent`,
    /// `dead`, `refused`, `expired`); what is open is `queued`, `claimed`,
    /// `running`, `retry` or `superseded`; a view that holds nothing is
    /// `unknown`.
    pub code: &'static str,
    /// For people. Holds no customer text.
    pub sentence: String,
}

/// Explains a turn, or a message that no turn has taken.
pub fn why(view: &TurnView) -> Why {
    match &view.turn {
        Some(turn) => of_turn(turn, view),
        None => match view.inbounds.first() {
            Some(inbound) => of_inbound(inbound, view),
            None => Why {
                code: "unknown",
                sentence: "Nothing is known of it.".to_owned(),
            },
        },
    }
}

fn of_turn(turn: &TurnSummary, view: &TurnView) -> Why {
    let reason = because(turn.reason.as_deref());
    match turn.state {
        TurnState::Running => Why {
            code: "running",
            sentence: format!(
                "It runs, start {} of the turn claimed at {}.",
                turn.runs, turn.claimed_at
            ),
        },
        TurnState::Retry => Why {
            code: "retry",
            sentence: match turn.not_before {
                Some(at) => format!("It waits until {at} for another start{reason}."),
                None => format!("It waits for another start{reason}."),
            },
        },
        TurnState::Superseded => Why {
            code: "superseded",
            sentence: format!("Its messages are tried again one by one{reason}."),
        },
        TurnState::Dead => Why {
            code: "dead",
            sentence: format!(
                "It gave up after {} and {}{reason}.",
                count(turn.runs.into(), "start"),
                count(turn.failures.into(), "failure"),
            ),
        },
        // A turn's end is the end of what it consumed.
        TurnState::Committed => match view.inbounds.first() {
            Some(inbound) if inbound.state == InboundState::Silent => Why {
                code: "silent",
                sentence: format!(
                    "The turn ended without a word{}.",
                    because(turn.reason.as_deref().or(inbound.reason.as_deref()))
                ),
            },
            _ => answered(view),
        },
    }
}

fn of_inbound(inbound: &InboundView, view: &TurnView) -> Why {
    let reason = because(inbound.reason.as_deref());
    let sentence = match inbound.state {
        InboundState::Queued => format!("It waits for a turn of its conversation{reason}."),
        InboundState::Claimed => format!("A turn has taken it{reason}."),
        InboundState::Answered => return answered(view),
        InboundState::Silent => format!("A turn ended without a word{reason}."),
        InboundState::Dead => format!("It was given up{reason}."),
        InboundState::Refused => format!("It was turned away{reason}."),
        InboundState::Expired => {
            format!("It was too old to be a first sighting and is not answered{reason}.")
        }
    };
    Why {
        code: inbound.state.as_str(),
        sentence,
    }
}

fn answered(view: &TurnView) -> Why {
    let by_state: Vec<_> = DeliveryState::ALL
        .into_iter()
        .filter_map(|state| {
            let of_it = view.deliveries.iter().filter(|one| one.state == state);
            match of_it.count() {
                0 => None,
                number => Some(format!("{number} {}", state.as_str().replace('_', " "))),
            }
        })
        .collect();
    let sentence = if by_state.is_empty() {
        "It was answered.".to_owned()
    } else {
        format!(
            "It was answered with {}: {}.",
            count(view.deliveries.len() as u64, "message"),
            by_state.join(", ")
        )
    };
    Why {
        code: "answered",
        sentence,
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(", because: {reason}"))
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
