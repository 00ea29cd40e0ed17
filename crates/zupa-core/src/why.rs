//! Why a message stands where it stands, in one sentence: one terminal reason
//! per end, or what it waits for. Pure, so that everybody says the same.

use crate::desk::{InboundView, TurnSummary, TurnView, WaitView};
use crate::outbound::DeliveryState;
use crate::tool::EffectClass;
use crate::turn::{InboundState, TurnState};
use crate::wait::{WaitKind, WaitState};

/// The answer to `turn why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Stable, for programs. An end has its state's name (`answered`, `silent`,
    /// `dead`, `refused`, `expired`, `answered_by_human`); what is open is `queued`,
    /// `claimed`, `running`, `retry` or `superseded`, and `held` while a human has the
    /// conversation; a turn that waits is `parked`, and `resumed` once another has gone
    /// on where it waited; a view that holds nothing is `unknown`, and one of an id that
    /// several messages have `ambiguous`.
    pub code: &'static str,
    /// For people. Holds no customer text.
    pub sentence: String,
}

/// Explains a turn, or a message that no turn has taken.
pub fn why(view: &TurnView) -> Why {
    match &view.turn {
        Some(turn) => of_turn(turn, view),
        None => match &view.inbounds[..] {
            [inbound] => of_inbound(inbound, view),
            [] => Why {
                code: "unknown",
                sentence: "Nothing is known of it.".to_owned(),
            },
            several => ambiguous(several),
        },
    }
}

/// Nobody is told what became of another message.
fn ambiguous(inbounds: &[InboundView]) -> Why {
    let events = inbounds.iter().map(|inbound| inbound.event.to_string());
    let events: Vec<_> = events.collect();
    Why {
        code: "ambiguous",
        sentence: format!(
            "Several messages have this id; ask for one of these: {}.",
            events.join(", ")
        ),
    }
}

fn of_turn(turn: &TurnSummary, view: &TurnView) -> Why {
    let mut why = of_state(turn, view);
    // Of a turn that has ended well everything is known.
    let unknown = view
        .steps
        .iter()
        .filter(|step| !step.has_result && step.class != EffectClass::Pure);
    let unknown: Vec<_> = unknown.map(|step| step.key.as_str()).collect();
    if !unknown.is_empty() && turn.state != TurnState::Committed {
        let doubt = format!(" May have happened: {}.", unknown.join(", "));
        why.sentence.push_str(&doubt);
    }
    why
}

fn of_state(turn: &TurnSummary, view: &TurnView) -> Why {
    let reason = because(turn.reason.as_deref());
    // Whatever the turn came to, nobody has heard of it.
    if let Some(inbound) = view.inbounds.first()
        && inbound.state == InboundState::AnsweredByHuman
    {
        return of_inbound(inbound, view);
    }
    match turn.state {
        TurnState::Retry if view.hold.is_some() => held(view),
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
            Some(inbound) if inbound.state == InboundState::Refused => of_inbound(inbound, view),
            _ => answered(view),
        },
        TurnState::Parked => parked(turn, view),
    }
}

/// What a parked turn waits for, or what ended its wait.
fn parked(turn: &TurnSummary, view: &TurnView) -> Why {
    let open: Vec<_> = view
        .waits
        .iter()
        .filter(|wait| wait.state == WaitState::Open)
        .collect();
    let Some(first) = open.first() else {
        // Nothing has come of it, and nothing will.
        if view
            .waits
            .iter()
            .all(|wait| wait.state == WaitState::Cancelled)
        {
            return answered(view);
        }
        let ends: Vec<_> = view.waits.iter().map(end_of).collect();
        return Why {
            code: "resumed",
            sentence: format!(
                "It waited, and another turn has gone on: {}.",
                ends.join(", ")
            ),
        };
    };
    let since = turn.ended_at.unwrap_or(turn.claimed_at);
    let until = open.iter().filter_map(|wait| wait.expires_at).max();
    let until = until.map_or_else(String::new, |at| format!(", until {at} at most"));
    let sentence = match first.kind {
        WaitKind::Reply => format!("It waits for the person's answer since {since}{until}."),
        WaitKind::Timer => match first.expires_at {
            Some(at) => format!("It waits since {since} for {at}."),
            None => format!("It waits since {since} for a time that is not set."),
        },
        WaitKind::Decision => {
            let ids: Vec<_> = open.iter().map(|wait| wait.id.to_string()).collect();
            format!(
                "It waits for {} of an operator since {since}{until}: \
                 `zupa reviews show`, `approve` or `reject` {}.",
                count(open.len() as u64, "decision"),
                ids.join(", ")
            )
        }
    };
    Why {
        code: "parked",
        sentence,
    }
}

fn end_of(wait: &WaitView) -> String {
    match (wait.kind, wait.state, &wait.decided_by) {
        (_, WaitState::Decided, Some(by)) => format!("decided by {by}"),
        (WaitKind::Reply, WaitState::Decided, None) => "the person answered".to_owned(),
        (WaitKind::Timer, WaitState::Expired, _) => "its time came".to_owned(),
        (_, WaitState::Expired, _) => "nobody answered in time".to_owned(),
        (_, state, _) => format!("the wait was {}", state.as_str()),
    }
}

/// It waits for a hand-back, whatever else it may wait for.
fn held(view: &TurnView) -> Why {
    let sentence = match &view.hold {
        Some(hold) => format!(
            "It waits for the hand-back of its conversation ({}), which {} has since {}: \
             `zupa conversations release {}`.",
            hold.kind.as_str(),
            hold.by,
            hold.since,
            view.conversation
        ),
        None => "It waits for the hand-back of its conversation.".to_owned(),
    };
    Why {
        code: "held",
        sentence,
    }
}

fn of_inbound(inbound: &InboundView, view: &TurnView) -> Why {
    let reason = because(inbound.reason.as_deref());
    let sentence = match inbound.state {
        InboundState::Queued if view.hold.is_some() => return held(view),
        InboundState::Queued => format!("It waits for a turn of its conversation{reason}."),
        InboundState::Claimed => format!("A turn has taken it{reason}."),
        InboundState::Answered => return answered(view),
        InboundState::AnsweredByHuman => "A human had the conversation and answered it.".to_owned(),
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
