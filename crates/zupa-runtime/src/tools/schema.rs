//! The schema of a tool's arguments: compiled once, asked before anything else happens
//! with a call.
//!
//! *Arrives*: the arguments as a model wrote them.
//! *Leaves*: a JSON object that fits the tool's schema, or what is wrong with it, in few
//! words, for the model alone.
//!
//! Nothing outside a schema is fetched, and patterns run in linear time.

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The longest arguments of a call, in bytes.
pub(crate) const MAX_ARGUMENTS: usize = 64 * 1024;
/// How much the model is told: so many violations, of so many bytes each.
const VIOLATIONS: usize = 3;
const MAX_VIOLATION: usize = 200;

/// A compiled schema, or why it is none.
#[derive(Clone)]
pub(crate) struct Schema(Result<Arc<Validator>, String>);

impl Schema {
    pub(crate) fn of(schema: &Value) -> Self {
        let compiled = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(schema);
        Self(
            compiled
                .map(Arc::new)
                .map_err(|wrong| bounded(wrong.to_string())),
        )
    }

    /// Why it is no schema, uses a pattern that cannot be matched in linear time, or
    /// refers to something outside itself.
    pub(crate) fn wrong(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }

    /// The arguments, if they fit; else where they break which rule. Values are not
    /// repeated; names of members may be.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let arguments = object(text)?;
        self.check(&arguments)?;
        Ok(arguments)
    }

    /// As [`Self::read`], of what is JSON already.
    pub(crate) fn check(&self, arguments: &Value) -> Result<(), String> {
        let schema = self.0.as_ref().map_err(Clone::clone)?;
        let mut violations = Vec::new();
        for violation in schema.iter_errors(arguments).take(VIOLATIONS + 1) {
            let place = match violation.instance_path().as_str() {
                "" => "the arguments",
                place => place,
            };
            let rule = violation.kind().keyword();
            violations.push(bounded(format!("{place}: {} ({rule})", violation.masked())));
        }
        if violations.is_empty() {
            return Ok(());
        }
        if violations.len() > VIOLATIONS {
            violations[VIOLATIONS] = "and more".into();
        }
        Err(violations.join("; "))
    }
}

/// Arguments as a model wrote them: an object, or what is wrong with them. Nothing at all
/// is no arguments.
pub(crate) fn object(text: &str) -> Result<Value, String> {
    if text.len() > MAX_ARGUMENTS {
        return Err(format!("longer than {MAX_ARGUMENTS} bytes"));
    }
    let text = match text.trim() {
        "" => "{}",
        text => text,
    };
    match serde_json::from_str::<Value>(text) {
        Ok(arguments) if arguments.is_object() => Ok(arguments),
        Ok(_) => Err("not a JSON object".into()),
        Err(source) => Err(format!("not JSON: {source}")),
    }
}

fn bounded(mut text: String) -> String {
    let end = text.floor_char_boundary(MAX_VIOLATION);
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order() -> Schema {
        Schema::of(&json!({
            "type": "object",
            "properties": {
                "item": { "enum": ["soup", "bread"] },
                "count": { "type": "integer", "minimum": 1 },
            },
            "required": ["item"],
            "additionalProperties": false,
        }))
    }

    #[test]
    fn each_violation_has_its_place_and_its_rule_and_no_value() {
        for (arguments, said) in [
            (
                json!({ "item": "soup", "count": 0 }),
                vec!["/count: ", "(minimum)"],
            ),
            (json!({ "item": "canary" }), vec!["/item: ", "(enum)"]),
            (json!({}), vec!["the arguments: ", "\"item\"", "(required)"]),
            (
                json!({ "item": "soup", "extra": "canary" }),
                vec!["extra", "(additionalProperties)"],
            ),
        ] {
            let wrong = order().check(&arguments).unwrap_err();
            assert!(said.iter().all(|word| wrong.contains(word)), "{wrong}");
            assert!(!wrong.contains("canary"), "{wrong}");
        }
        assert_eq!(
            order().check(&json!({ "item": "bread", "count": 2 })),
            Ok(())
        );
    }

    #[test]
    fn what_is_said_is_short_however_much_is_wrong() {
        let many = Schema::of(&json!({ "additionalProperties": { "type": "integer" } }));
        let wrong: Value = (0..1_000)
            .map(|place| (format!("{place}{}", "x".repeat(500)), json!("no")))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let said = many.check(&wrong).unwrap_err();
        assert!(said.len() < 4 * (MAX_VIOLATION + 10), "{}", said.len());
        assert!(said.ends_with("and more"), "{said}");
    }

    #[test]
    fn what_is_no_object_or_too_long_is_refused() {
        assert_eq!(object(" "), Ok(json!({})));
        assert!(object("[1]").unwrap_err().contains("object"));
        assert!(object("{").unwrap_err().contains("not JSON"));
        let long = format!("{{\"item\":\"{}\"}}", "x".repeat(MAX_ARGUMENTS));
        assert!(object(&long).unwrap_err().contains("65536"));
    }

    #[test]
    fn what_is_no_schema_says_why_and_fits_nothing() {
        for schema in [
            json!({ "type": "nonsense" }),
            json!({ "$ref": "http://127.0.0.1:1/schema" }),
            json!({ "pattern": "(?=x)y" }),
        ] {
            let schema = Schema::of(&schema);
            assert!(schema.wrong().is_some());
            assert!(schema.check(&json!({})).is_err());
        }
    }
}
