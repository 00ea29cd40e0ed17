//! A JSON object's fields, each as it was written, for bodies that name their
//! faults field by field. Nothing of a value is ever repeated in an answer.

use std::fmt;

use axum::http::StatusCode;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::problem::{Fault, Problem};

/// How many faults one answer names.
pub(crate) const MAX_FAULTS: usize = 8;

/// How much of an unknown field's name an answer repeats.
const MAX_NAME_CHARS: usize = 64;

/// Reads the fields of a body that should look like `form`. A field that stands
/// there twice comes twice: a map would silently keep the last.
pub(crate) fn read(body: &str, form: &str) -> Result<Vec<(String, Value)>, Problem> {
    match serde_json::from_str(body) {
        Ok(Fields(fields)) => Ok(fields),
        Err(error) if error.classify() == Category::Data => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            format!("the body is a JSON object: {form}"),
        )),
        // Says what is wrong and where, and quotes nothing.
        Err(error) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_json",
            format!("the body is not JSON: {error}"),
        )),
    }
}

/// What is wrong with a field.
pub(crate) fn fault(name: &str, code: &'static str, detail: &str) -> Fault {
    let short: String = name.chars().take(MAX_NAME_CHARS).collect();
    Fault {
        pointer: format!("/{}", short.replace('~', "~0").replace('/', "~1")),
        place: "body",
        code,
        detail: detail.to_owned(),
    }
}

struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}
