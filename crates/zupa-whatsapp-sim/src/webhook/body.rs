//! The envelope: entries, changes, messages and statuses.

use serde_json::{Value, json};

use super::{Event, Kind};
use crate::options::Number;

/// Messages or statuses in one change.
const IN_A_CHANGE: usize = 5;
/// Changes in one entry.
const IN_AN_ENTRY: usize = 4;

/// One request for all of these, in their order.
pub(super) fn envelope(number: &Number, events: &[Event]) -> Value {
    let same =
        |a: &Event, b: &Event| matches!(a.kind, Kind::Status) == matches!(b.kind, Kind::Status);
    let changes: Vec<Value> = events
        .chunk_by(same)
        .flat_map(|run| run.chunks(IN_A_CHANGE))
        .map(|events| json!({ "field": "messages", "value": value(number, events) }))
        .collect();
    let entry = |changes: &[Value]| json!({ "id": "200000000000002", "changes": changes });
    let entries: Vec<Value> = changes.chunks(IN_AN_ENTRY).map(entry).collect();
    json!({ "object": "whatsapp_business_account", "entry": entries })
}

fn value(number: &Number, events: &[Event]) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id,
        },
    });
    let items: Vec<&Value> = events.iter().map(|event| &event.item).collect();
    let mut contacts: Vec<&Value> = Vec::new();
    for event in events {
        if let Kind::Message { contact } = &event.kind
            && !contacts.contains(&contact)
        {
            contacts.push(contact);
        }
    }
    if contacts.is_empty() {
        value["statuses"] = json!(items);
    } else {
        value["contacts"] = json!(contacts);
        value["messages"] = json!(items);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: usize, kind: Kind) -> Event {
        Event::new(
            json!({ "id": n }),
            kind,
            "15550001111",
            format!("wamid.{n}"),
        )
    }

    #[test]
    fn sixty_messages_are_three_entries_of_four_changes_of_five() {
        let contact = json!({ "wa_id": "15550001111" });
        let message = |n| {
            let contact = contact.clone();
            event(n, Kind::Message { contact })
        };
        let events: Vec<Event> = (0..60).map(message).collect();
        let body = envelope(&Number::default(), &events);
        let entries = body["entry"].as_array().unwrap();
        assert_eq!(entries.len(), 3);
        for entry in entries {
            let changes = entry["changes"].as_array().unwrap();
            assert_eq!(changes.len(), 4);
            for change in changes {
                assert_eq!(change["value"]["messages"].as_array().unwrap().len(), 5);
                assert_eq!(change["value"]["contacts"], json!([contact]));
            }
        }
        assert_eq!(entries[2]["changes"][3]["value"]["messages"][4]["id"], 59);
    }

    #[test]
    fn statuses_have_changes_of_their_own() {
        let contact = Value::Null;
        let events = [
            event(0, Kind::Message { contact }),
            event(1, Kind::Status),
            event(2, Kind::Status),
        ];
        let body = envelope(&Number::default(), &events);
        let changes = &body["entry"][0]["changes"];
        assert_eq!(changes[0]["value"]["messages"][0]["id"], 0);
        assert_eq!(changes[1]["value"]["statuses"][1]["id"], 2);
        assert!(changes[1]["value"].get("contacts").is_none());
        assert_eq!(
            changes[0]["value"]["metadata"]["phone_number_id"],
            "100000000000001"
        );
    }
}
