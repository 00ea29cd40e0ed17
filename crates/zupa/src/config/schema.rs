//! Prints the table of keys: as JSON Schema for editors, as a table for the docs.

use serde_json::{Value, json};

use super::keys::{Fallback, Key, Kind, TABLE};
use super::tools;

/// The schema of `zupa.toml`, JSON Schema 2020-12.
pub fn schema() -> Value {
    let mut top = object();
    for key in TABLE {
        place(&mut top, key.path, key);
    }
    top["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    top["title"] = "zupa.toml".into();
    top["description"] = "Configuration of the binary zupa".into();
    top
}

/// The keys as a Markdown table.
pub fn markdown() -> String {
    let mut text =
        "| key | value | default | variable | what |\n|---|---|---|---|---|\n".to_owned();
    for key in TABLE {
        let default = match (default(key), key.default) {
            (Some(value), _) => format!("`{value}`"),
            (None, Fallback::Required) => "required".to_owned(),
            (None, Fallback::As(path)) => format!("that of `{path}`"),
            (None, _) => "–".to_owned(),
        };
        let variable = key
            .variable()
            .map_or("–".to_owned(), |name| format!("`{name}`"));
        let (path, kind, doc) = (key.path, allowed(key), key.doc);
        text.push_str(&format!(
            "| `{path}` | {kind} | {default} | {variable} | {doc} |\n"
        ));
    }
    text
}

/// The default of a key as JSON; nothing if it is unset or required.
pub fn default(key: &Key) -> Option<Value> {
    match key.default {
        Fallback::Unset | Fallback::As(_) | Fallback::Required => None,
        Fallback::Text(text) => Some(text.into()),
        Fallback::Integer(number) => Some(number.into()),
        Fallback::Number(number) => Some(number.into()),
        Fallback::Switch(truth) => Some(truth.into()),
        Fallback::Empty => Some(json!([])),
        Fallback::EmptyTable => Some(json!({})),
        Fallback::NoParameters => Some(tools::no_parameters()),
        Fallback::OneWebChat => {
            Some(json!([{ "id": "main", "kind": "web-chat", "tenant": "default" }]))
        }
    }
}

// Goes down the path, making the objects on the way.
fn place(object_schema: &mut Value, path: &str, key: &Key) {
    let (name, rest) = match path.split_once('.') {
        None => {
            object_schema["properties"][path] = property(key);
            if matches!(key.default, Fallback::Required) {
                let required = object_schema
                    .as_object_mut()
                    .map(|map| map.entry("required"));
                let list = required.map(|entry| entry.or_insert_with(|| json!([])));
                if let Some(Value::Array(names)) = list {
                    names.push(path.into());
                }
            }
            return;
        }
        Some(parts) => parts,
    };
    let inner = match (name, name.strip_suffix("[]")) {
        ("*", _) => &mut object_schema["additionalProperties"],
        (_, Some(list)) => &mut object_schema["properties"][list]["items"],
        (_, None) => &mut object_schema["properties"][name],
    };
    if !inner.is_object() {
        *inner = object();
    }
    place(inner, rest, key);
}

fn object() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

/// A table whose names are free.
fn table(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn property(key: &Key) -> Value {
    let mut schema = match key.kind {
        Kind::Text(max) => json!({ "type": "string", "minLength": 1, "maxLength": max }),
        Kind::Saying(max) => json!({ "type": "string", "maxLength": max }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Integer(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number(min, max) => json!({ "type": "number", "minimum": min, "maximum": max }),
        Kind::Jitter => json!({ "anyOf": [
            { "const": "full" },
            { "type": "number", "minimum": 0, "maximum": 1 },
        ] }),
        Kind::Address | Kind::Log | Kind::Secret => json!({ "type": "string", "minLength": 1 }),
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::StoreUrl => json!({
            "type": "string", "pattern": "^(sqlite://[^?#]+|sqlite::memory:|postgres(ql)?://.+)$",
        }),
        Kind::HttpUrl => json!({ "type": "string", "format": "uri", "pattern": "^https?://" }),
        Kind::Name => json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" }),
        Kind::Hosts => json!({ "type": "array", "items": { "type": "string", "minLength": 1 } }),
        Kind::Secrets => json!({ "type": "array", "items": { "type": "string", "minLength": 1 } }),
        Kind::Texts(max) => json!({
            "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": max },
        }),
        Kind::ToolName(max) => {
            json!({ "type": "string", "pattern": format!("^[a-zA-Z0-9_-]{{1,{max}}}$") })
        }
        Kind::UrlTemplate => json!({ "type": "string", "pattern": "^https?://" }),
        Kind::Schema => json!({ "type": ["object", "string"] }),
        Kind::TextTable(max) => table(json!({
            "type": "string", "minLength": 1, "maxLength": max,
        })),
        Kind::ChoiceTable(words) => table(json!({ "type": "string", "enum": words })),
        Kind::SecretTable => table(json!({ "type": "string", "minLength": 1 })),
        Kind::Tables => json!({ "type": "array" }),
    };
    schema["description"] = key.doc.into();
    if let Some(default) = default(key) {
        schema["default"] = default;
    }
    schema
}

fn allowed(key: &Key) -> String {
    match key.kind {
        Kind::Text(max) | Kind::Saying(max) => format!("text, up to {max} characters"),
        Kind::Choice(words) => listed(words),
        Kind::Integer(min, max) => format!("{min} to {max}{}", key.unit()),
        Kind::Number(min, max) => format!("{min} to {max}"),
        Kind::Jitter => "`full`, or 0 to 1".to_owned(),
        Kind::Address => "IP address and port".to_owned(),
        Kind::Switch => "`true`, `false`".to_owned(),
        Kind::StoreUrl => "`sqlite://PATH`, `sqlite::memory:`, `postgres://…`".to_owned(),
        Kind::HttpUrl => "`http://` or `https://` URL".to_owned(),
        Kind::Secret => "`env:NAME`, `file:PATH`, `exec:COMMAND`".to_owned(),
        Kind::Secrets => "list of `env:NAME`, `file:PATH`, `exec:COMMAND`".to_owned(),
        Kind::Name => "1 to 64 of `a-z 0-9 _ -`".to_owned(),
        Kind::Log => "level, or `target=level`, by commas".to_owned(),
        Kind::Hosts => "list of `host` or `host:port`".to_owned(),
        Kind::Texts(_) => "list of texts".to_owned(),
        Kind::ToolName(max) => format!("1 to {max} of `a-z A-Z 0-9 _ -`"),
        Kind::UrlTemplate => "`http://` or `https://` URL with `{argument}`".to_owned(),
        Kind::Schema => "table, or JSON in a text".to_owned(),
        Kind::TextTable(_) => "table of texts".to_owned(),
        Kind::ChoiceTable(words) => format!("table of {}", listed(words)),
        Kind::SecretTable => {
            "table of `env:NAME`, `file:PATH`, `exec:COMMAND` or literals".to_owned()
        }
        Kind::Tables => "list of tables".to_owned(),
    }
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
