//! Small readings of one item. Meta adds fields at will, so nothing else is looked at.

use serde_json::Value;
use zupa_core::Timestamp;

const MICROS: i64 = 1_000_000;

/// The text at a JSON Pointer; none if it is empty.
pub(super) fn text<'v>(item: &'v Value, pointer: &str) -> Option<&'v str> {
    let text = item.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The time of an item: seconds since 1970, in a text.
pub(super) fn time(item: &Value) -> Option<Timestamp> {
    let seconds: u32 = text(item, "/timestamp")?.parse().ok()?;
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
