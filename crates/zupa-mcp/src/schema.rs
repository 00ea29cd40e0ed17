//! JSON Schemas that are not ours: compiled once, asked at every call.
//!
//! Nothing outside a schema is ever fetched, and patterns run in linear time: a
//! schema of a server nobody trusts can at worst refuse.

use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The longest explanation that is handed on.
const MAX_REASON_BYTES: usize = 300;

/// A compiled schema of arguments.
pub(crate) struct Schema(Validator);

impl Schema {
    /// Fails, and says why, if it is no schema, uses a pattern that cannot be
    /// matched in linear time, or refers to something outside itself.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(Self)
            .map_err(|error| bounded(error.to_string()))
    }

    /// Fails, and says where and why, without repeating what was in the
    /// arguments: the reason goes to the model and may reach a log.
    pub(crate) fn check(&self, arguments: &Value) -> Result<(), String> {
        let Err(error) = self.0.validate(arguments) else {
            return Ok(());
        };
        let reason = match error.kind().keyword() {
            "additionalProperties" | "unevaluatedProperties" | "propertyNames" => {
                "it has a property that it must not have".to_owned()
            }
            _ => error.masked().to_string(),
        };
        let place = error.instance_path().as_str();
        let reason = match place.split('/').all(is_word) {
            true if place.is_empty() => reason,
            true => format!("{place}: {reason}"),
            false => format!("in a property: {reason}"),
        };
        Err(bounded(reason))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

/// Names of properties may be the model's own invention.
fn is_word(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte);
    part.len() <= 64
        && part.bytes().all(plain)
        && part.bytes().filter(u8::is_ascii_digit).count() <= 6
}

fn bounded(mut reason: String) -> String {
    let end = reason.floor_char_boundary(MAX_REASON_BYTES);
    reason.truncate(end);
    reason
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_name_the_place_and_not_the_value() {
        let schema = Schema::compile(&json!({
            "type": "object",
            "properties": { "count": { "type": "integer" } },
            "required": ["count"],
            "additionalProperties": false,
        }))
        .unwrap();
        assert_eq!(schema.check(&json!({ "count": 1 })), Ok(()));
        for (arguments, reason) in [
            (
                json!({ "count": "canary" }),
                "/count: value is not of type \"integer\"",
            ),
            (json!({}), "\"count\" is a required property"),
            (
                json!({ "count": 1, "canary": 2 }),
                "it has a property that it must not have",
            ),
        ] {
            assert_eq!(schema.check(&arguments), Err(reason.to_owned()));
        }
    }

    #[test]
    fn a_place_that_a_person_may_have_named_is_not_repeated() {
        let schema = Schema::compile(&json!({ "additionalProperties": { "type": "integer" } }));
        let reason = schema.unwrap().check(&json!({ "+351910000000": "canary" }));
        assert_eq!(
            reason.unwrap_err(),
            "in a property: value is not of type \"integer\""
        );
    }

    #[test]
    fn nothing_outside_and_nothing_slow_compiles() {
        for schema in [
            json!({ "$ref": "http://127.0.0.1:1/schema" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "type": "nonsense" }),
            json!({ "pattern": "(?=x)y" }),
            json!({ "$schema": "http://example.com/none" }),
        ] {
            let reason = Schema::compile(&schema).unwrap_err();
            assert!(reason.len() <= MAX_REASON_BYTES, "{reason}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        for schema in [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#/$defs/a" }], "$defs": {
                "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "$ref": "#/$defs/a" } } }),
        ] {
            let _ = Schema::compile(&schema).unwrap().check(&json!({ "a": 1 }));
        }
    }
}
