//! A proved request becomes inbounds and receipts. Every entry, change, message and status
//! is walked; what cannot be read is kept as it came and costs nothing else.

mod contacts;
mod content;
mod echo;
mod fields;
mod message;
mod notice;
mod preference;
mod status;

use serde::Deserialize;
use serde_json::value::RawValue;
use zupa_core::{Inbound, Opened, Receipt};

use self::contacts::Contacts;
use crate::door::Door;

/// Skipped: the number is nobody's here, or another app's.
const UNKNOWN_NUMBER: &str = "unknown_number";
/// Skipped: a change of a field that has no place here.
const OTHER_FIELD: &str = "other_field";
/// Skipped: a notice of the platform that says nothing of who is who.
const NOTICE: &str = "notice";
/// Skipped: news that cannot be read, or whose words are new.
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
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    statuses: Option<&'a RawValue>,
    #[serde(borrow)]
    message_echoes: Option<&'a RawValue>,
    #[serde(borrow)]
    user_preferences: Option<&'a RawValue>,
    #[serde(borrow)]
    contacts: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Metadata {
    phone_number_id: String,
}

/// Reads a body that `door`'s app has signed; `door_of` knows the doors of its numbers.
pub(crate) fn open<'d>(
    door: &Door,
    mut door_of: impl FnMut(&str) -> Option<&'d Door>,
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
            walk(door, &mut door_of, change, &mut opened);
        }
    }
    opened
}

fn walk<'d>(
    door: &Door,
    door_of: &mut impl FnMut(&str) -> Option<&'d Door>,
    change: &RawValue,
    opened: &mut Opened,
) {
    let Ok(Change { field, value }) = serde_json::from_str(change.get()) else {
        return undecodable(door, change.get().as_bytes(), opened);
    };
    let fields = ["messages", "smb_message_echoes", "user_preferences"];
    if !fields.contains(&field.as_str()) {
        return opened.skip(OTHER_FIELD);
    }
    let Ok(value) = serde_json::from_str::<Value<'_>>(value.get()) else {
        return undecodable(door, change.get().as_bytes(), opened);
    };
    let Some(door) = door_of(&value.metadata.phone_number_id) else {
        return opened.skip(UNKNOWN_NUMBER);
    };
    if let Some(messages) = value.messages {
        match items(messages) {
            Some(messages) => {
                let contacts = Contacts::read(value.contacts);
                for message in messages {
                    message::read(door, message, &contacts, opened);
                }
            }
            None => undecodable(door, messages.get().as_bytes(), opened),
        }
    }
    news(door, value.statuses, status::receipt, opened);
    news(door, value.message_echoes, echo::receipt, opened);
    news(door, value.user_preferences, preference::receipt, opened);
}

/// Adds what a list of news says; what cannot be read is counted.
fn news(
    door: &Door,
    list: Option<&RawValue>,
    receipt: impl Fn(&Door, &RawValue) -> Option<Receipt>,
    opened: &mut Opened,
) {
    let Some(list) = list else {
        return;
    };
    let Some(list) = items(list) else {
        return opened.skip(UNREADABLE);
    };
    for item in list {
        match receipt(door, item) {
            Some(receipt) => opened.batch.receipts.push(receipt),
            None => opened.skip(UNREADABLE),
        }
    }
}

fn items(list: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(list.get()).ok()
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
