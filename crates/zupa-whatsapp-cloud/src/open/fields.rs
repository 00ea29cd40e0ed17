//! Small readings of one item. Meta adds fields at will, so nothing else is looked at.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use zupa_core::{Alias, Person, Timestamp};

const MICROS: i64 = 1_000_000;

/// An item as far as it can be read.
pub(super) struct Item {
    /// All of it, or, if that cannot be read, what says whose it is.
    pub head: Value,
    pub is_whole: bool,
}

/// What is read of an item that cannot be read as a whole: half of a surrogate pair, a
/// number beyond all bounds or a hundred lists within each other spoil nothing but their
/// own field.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    from_user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(borrow)]
    to_user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    wa_id: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    group_id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    biz_opaque_callback_data: Option<&'a RawValue>,
    #[serde(borrow)]
    category: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Reads an item; null if there is nothing of it to be read.
pub(super) fn item(raw: &RawValue) -> Item {
    if let Ok(head) = serde_json::from_str(raw.get()) {
        let is_whole = true;
        return Item { head, is_whole };
    }
    let head = serde_json::from_str(raw.get()).map_or(Value::Null, readable);
    let is_whole = false;
    Item { head, is_whole }
}

fn readable(head: Head<'_>) -> Value {
    let fields = [
        ("id", head.id),
        ("from", head.from),
        ("from_user_id", head.from_user_id),
        ("to", head.to),
        ("to_user_id", head.to_user_id),
        ("wa_id", head.wa_id),
        ("user_id", head.user_id),
        ("group_id", head.group_id),
        ("timestamp", head.timestamp),
        ("status", head.status),
        ("biz_opaque_callback_data", head.biz_opaque_callback_data),
        ("category", head.category),
        ("value", head.value),
    ];
    let mut read = Map::new();
    for (name, raw) in fields {
        let value = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
        read.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(read)
}

/// A person by the addresses at these pointers, as far as there are any, each once.
pub(super) fn person(item: &Value, pointers: &[&str]) -> Option<Person> {
    let mut aliases: Vec<Alias> = Vec::new();
    for pointer in pointers {
        let alias = text(item, pointer).and_then(|text| Alias::parse(text).ok());
        aliases.extend(alias.filter(|alias| !aliases.contains(alias)));
    }
    let mut aliases = aliases.into_iter();
    Some(Person {
        alias: aliases.next()?,
        also: aliases.collect(),
    })
}

/// The text at a JSON Pointer; none if it is empty.
pub(super) fn text<'v>(item: &'v Value, pointer: &str) -> Option<&'v str> {
    let text = item.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The time of an item: seconds since 1970, in a text or a number.
pub(super) fn time(item: &Value) -> Option<Timestamp> {
    let seconds = match text(item, "/timestamp") {
        Some(text) => text.parse().ok()?,
        None => u32::try_from(item.get("timestamp")?.as_u64()?).ok()?,
    };
    Some(Timestamp(i64::from(seconds) * MICROS))
}

/// True if there is a U+0000 anywhere, which no store keeps.
pub(super) fn has_nul(item: &Value) -> bool {
    match item {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => {
            let mut fields = fields.iter();
            fields.any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}
