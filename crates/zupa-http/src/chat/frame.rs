//! What one line or one sign looks like on the event stream.
//!
//! Committed lines carry an id, the number they resume by; passing signs carry
//! none. `inbound` and `turn` are for the simulated phone alone.

use axum::response::sse::Event;
use serde_json::{Value, json};
use zupa_core::desk::{Line, Speaker};
use zupa_core::{Hint, TurnId};

/// Who reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// The person's own client: sees what the agent says.
    Client,
    /// The simulated phone: sees also the person's lines and the turns' lives.
    Phone,
}

/// The event of a committed line, if this reader sees it.
pub(super) fn of_line(line: &Line, reader: Reader) -> Option<Event> {
    let (name, data) = match &line.from {
        Speaker::Agent(delivery) => {
            let mut data =
                json!({ "id": delivery.to_string(), "text": line.text, "turn": delivery.turn });
            if line.late {
                data["late"] = json!(true);
            }
            ("message", data)
        }
        Speaker::Person(id) if reader == Reader::Phone => {
            ("inbound", json!({ "id": id, "text": line.text }))
        }
        Speaker::Person(_) => return None,
    };
    Some(event(name, &data).id(line.number.to_string()))
}

/// The event of a passing sign, if it has one and this reader sees it.
pub(super) fn of_hint(hint: &Hint, reader: Reader) -> Option<Event> {
    let (name, data) = match hint {
        Hint::Typing => ("typing", json!({})),
        Hint::Delta { turn, run, text } => {
            ("delta", json!({ "turn": turn, "run": run, "text": text }))
        }
        Hint::End { turn } => ("end", json!({ "turn": turn })),
        Hint::Stage {
            turn,
            stage,
            at,
            detail,
        } if reader == Reader::Phone => {
            let mut data = json!({
                "turn": turn,
                "stage": stage.as_str(),
                "at": at.to_string(),
            });
            if let Some(detail) = detail {
                data["detail"] = json!(detail);
            }
            ("turn", data)
        }
        Hint::Stage { .. } | Hint::Look => return None,
    };
    Some(event(name, &data))
}

/// The turn whose draft a sign adds to.
pub(super) fn draft_of(hint: &Hint) -> Option<TurnId> {
    match hint {
        Hint::Delta { turn, .. } => Some(*turn),
        _ => None,
    }
}

fn event(name: &str, data: &Value) -> Event {
    // One line: JSON has no bare line ends, so no text can forge an event.
    Event::default().event(name).data(data.to_string())
}
