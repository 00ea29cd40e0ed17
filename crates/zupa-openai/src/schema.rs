//! JSON Schemas as providers take them.
//!
//! OpenAI enforces a schema only in strict mode, and in strict mode it refuses
//! every schema outside a small subset. What a derive writes is mostly a few
//! harmless steps away from it; those are taken here.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// The longest name of a form that providers take, in characters.
const MAX_NAME_CHARS: usize = 64;
/// How deep schemas may nest in strict mode.
const MAX_DEPTH: usize = 10;

/// Constraints that strict mode knows. Every other one makes it refuse.
const KNOWN: &[&str] = &[
    "type",
    "enum",
    "const",
    "title",
    "description",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
];
/// What constrains nothing and may be refused.
const NOTES: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];
/// Formats that strict mode knows. `int32` and its kin say no more than the type.
const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
];

/// The schema of a tool's arguments. OpenAI refuses an object without
/// `properties`, which is how tools without arguments are often described, and
/// Gemini refuses `$schema`.
pub(crate) fn of_arguments(schema: &Value) -> Cow<'_, Value> {
    let Some(object) = schema.as_object() else {
        return Cow::Borrowed(schema);
    };
    if object.contains_key("properties") && !object.contains_key("$schema") {
        return Cow::Borrowed(schema);
    }
    let mut object = object.clone();
    object.remove("$schema");
    object.entry("properties").or_insert_with(|| json!({}));
    Cow::Owned(Value::Object(object))
}

/// A name with nothing but `a-z A-Z 0-9 _ -`, for `Vec<Order>` is none.
pub(crate) fn name(text: &str) -> String {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = text
        .chars()
        .take(MAX_NAME_CHARS)
        .map(|c| if is_fine(c) { c } else { '_' })
        .collect();
    if name.is_empty() {
        return "reply".to_owned();
    }
    name
}

/// The schema in the subset of strict mode, if nothing is lost on the way there.
///
/// An answer of the new form has the old one too: objects are closed, and what
/// may be left out must be there, but as `null`, so only where `null` is
/// allowed. `oneOf` becomes `anyOf`, which for the variants of an enum is the
/// same. Formats that strict mode does not know are dropped.
pub(crate) fn strict(schema: &Value) -> Option<Value> {
    let narrowed = narrow(schema, 0)?;
    let is_object = narrowed["type"] == "object" && narrowed.get("anyOf").is_none();
    is_object.then_some(narrowed)
}

fn narrow(schema: &Value, depth: usize) -> Option<Value> {
    let schema = schema.as_object().filter(|_| depth <= MAX_DEPTH)?;
    let beneath = |schema: &Value| narrow(schema, depth + 1);
    let mut out = Map::new();
    for (key, value) in schema {
        let value = match key.as_str() {
            // Seen to below.
            "required" | "additionalProperties" => continue,
            key if NOTES.contains(&key) => continue,
            "format" if !value.as_str().is_some_and(|it| FORMATS.contains(&it)) => continue,
            "format" | "$ref" => value.clone(),
            key if KNOWN.contains(&key) => value.clone(),
            "items" => beneath(value)?,
            "properties" | "$defs" => {
                let named = value.as_object()?.iter();
                let named = named.map(|(name, schema)| Some((name.clone(), beneath(schema)?)));
                Value::Object(named.collect::<Option<_>>()?)
            }
            "oneOf" if schema.contains_key("anyOf") => return None,
            "anyOf" | "oneOf" => {
                let variants = value.as_array()?.iter().map(beneath);
                out.insert(
                    "anyOf".to_owned(),
                    Value::Array(variants.collect::<Option<_>>()?),
                );
                continue;
            }
            _ => return None,
        };
        out.insert(key.clone(), value);
    }
    if is_a(schema, "object") {
        close(schema, &mut out)?;
    } else if schema.contains_key("properties") {
        return None;
    }
    if is_a(schema, "array") && !schema.contains_key("items") {
        return None;
    }
    if let Some(target) = out.remove("$ref") {
        out = refer(target, out)?;
    }
    // A schema that allows everything has none of these.
    let says_what = ["type", "anyOf", "$ref"]
        .iter()
        .any(|key| out.contains_key(*key));
    says_what.then_some(Value::Object(out))
}

/// Whether it is, or may be, of this type.
fn is_a(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// An object with these properties, all of them, and no others.
fn close(schema: &Map<String, Value>, out: &mut Map<String, Value>) -> Option<()> {
    let is_closed = match schema.get("additionalProperties") {
        None => false,
        Some(Value::Bool(false)) => true,
        // A map, or open on purpose.
        Some(_) => return None,
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let mut names = Vec::new();
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            for (name, schema) in properties {
                if !is_required(name) && !is_nullable(schema) {
                    return None;
                }
                names.push(name.as_str());
            }
        }
        None if is_closed => {
            out.insert("properties".to_owned(), json!({}));
        }
        None => return None,
    }
    out.insert("required".to_owned(), json!(names));
    out.insert("additionalProperties".to_owned(), json!(false));
    Some(())
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |schema: &Value| {
        schema
            .as_object()
            .is_some_and(|schema| is_a(schema, "null"))
    };
    let variants = schema.get("anyOf").or_else(|| schema.get("oneOf"));
    is_null(schema)
        || variants
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(is_null))
}

/// In strict mode a reference stands alone, so what describes it moves out.
fn refer(target: Value, mut beside: Map<String, Value>) -> Option<Map<String, Value>> {
    let reference = json!({ "$ref": target });
    if beside.is_empty() {
        return reference.as_object().cloned();
    }
    let only_describes = beside
        .keys()
        .all(|key| key == "title" || key == "description");
    beside.insert("anyOf".to_owned(), json!([reference]));
    only_describes.then_some(beside)
}

#[cfg(test)]
mod tests;
