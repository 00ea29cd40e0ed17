//! A proved request becomes inbounds and receipts. Every entry, change, message and status
//! is walked; what cannot be read is kept as it came and costs nothing else.

mod content;
mod fields;
mod message;
mod status;

use serde::Deserialize;
use serde_json::value::RawValue;
use zupa_core::{Inbound, Opened};

use crate::door::Door;

/// Skipped: the number is nobody's here, or another app's.
const UNKNOWN_NUMBER: &str = "unknown_number";
/// Skipped: a change of another field than `messages`.
const OTHER_FIELD: &str = "other_field";
/// Skipped: a message in a group.
const GROUP: &str = "group";
/// Skipped: a status that cannot be read, or whose word is new.
const UNREADABLE: &str = "unreadable";
/// Skipped: longer than accept takes.
const TOO_LARGE: &str = "too_large";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Change<'a> {
    field: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct Value<'a> {
    metadata: Metadata,
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    statuses: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Metadata {
    phone_number_id: String,
}

/// Reads a body that `door`'s app has signed; `door_of` knows the doors of its numbers.
pub(crate) fn open<'d>(
    door: &Door,
    door_of: impl Fn(&str) -> Option<&'d Door>,
    body: &[u8],
) -> Opened {
    let mut opened = Opened::default();
    let Ok(Envelope { entry }) = serde_json::from_slice(body) else {
        undecodable(door, body, &mut opened);
        return opened;
    };
    for entry in entry {
        let Ok(Entry { changes }) = serde_json::from_str(entry.get()) else {
            undecodable(door, entry.get().as_bytes(), &mut opened);
            continue;
        };
        for change in changes {
            walk(door, &door_of, change, &mut opened);
        }
    }
    opened
}

fn walk<'d>(
    door: &Door,
    door_of: &impl Fn(&str) -> Option<&'d Door>,
    change: &RawValue,
    opened: &mut Opened,
) {
    let Ok(Change { field, value }) = serde_json::from_str(change.get()) else {
        return undecodable(door, change.get().as_bytes(), opened);
    };
    if field != "messages" {
        return opened.skip(OTHER_FIELD);
    }
    let Ok(value) = serde_json::from_str::<Value<'_>>(value.get()) else {
        return undecodable(door, change.get().as_bytes(), opened);
    };
    let Some(door) = door_of(&value.metadata.phone_number_id) else {
        return opened.skip(UNKNOWN_NUMBER);
    };
    for message in value.messages.unwrap_or_default() {
        message::read(door, message, opened);
    }
    for status in value.statuses.unwrap_or_default() {
        status::read(door, status, opened);
    }
}

/// Keeps what nobody can read, under its own digest.
fn undecodable(door: &Door, payload: &[u8], opened: &mut Opened) {
    if payload.len() > door.payload_bytes {
        return opened.skip(TOO_LARGE);
    }
    let (tenant, channel) = (door.tenant.clone(), door.channel.clone());
    match Inbound::undecodable(tenant, channel, payload.to_vec()) {
        Ok(inbound) => opened.batch.inbounds.push(inbound),
        Err(_) => opened.skip(UNREADABLE),
    }
}
