//! Arguments become a request.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Request};
use serde_json::{Map, Value};
use zupa_core::Digest;

use super::config::{Checked, HttpToolConfig};

/// The longest address, and the longest body.
const MAX_URL_BYTES: usize = 8 << 10;
const MAX_BODY_BYTES: usize = 256 << 10;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Arguments that the address names go there, all others into the query or the
/// body. Reasons never repeat a value.
pub(super) fn build(
    config: &HttpToolConfig,
    checked: &Checked,
    arguments: Value,
    key: Option<Digest>,
) -> Result<Request, String> {
    let Value::Object(mut arguments) = arguments else {
        return Err("the arguments are not an object".to_owned());
    };
    let mut values = BTreeMap::new();
    for slot in checked.template.slots() {
        let value = arguments.get(slot).and_then(scalar);
        let value = value.ok_or_else(|| format!("{slot} must be a text, a number or a boolean"))?;
        values.insert(slot, value);
    }
    arguments.retain(|name, _| !values.contains_key(name.as_str()));
    let mut url = checked.template.fill(&values)?;
    let with_body = config.method.has_body();
    if !with_body && !arguments.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs(&arguments)?);
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err("the arguments are too long for an address".to_owned());
    }
    let mut request = Request::new(config.method.wire(), url);
    *request.headers_mut() = checked.headers.clone();
    if let Some(key) = key {
        let key = HeaderValue::try_from(key.to_hex()).map_err(|_| "the key fits no header")?;
        request.headers_mut().insert(IDEMPOTENCY_KEY, key);
    }
    if with_body {
        let body = Value::Object(arguments).to_string();
        if body.len() > MAX_BODY_BYTES {
            return Err("the arguments are too long".to_owned());
        }
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        *request.body_mut() = Some(Body::from(body));
    }
    Ok(request)
}

/// Lists become one pair for each member, nothing becomes none.
fn pairs(arguments: &Map<String, Value>) -> Result<Vec<(&str, String)>, String> {
    let mut pairs = Vec::new();
    for (name, value) in arguments {
        let values = match value {
            Value::Null => continue,
            Value::Array(values) => values.as_slice(),
            other => std::slice::from_ref(other),
        };
        for value in values {
            let text = scalar(value);
            let text = text.ok_or_else(|| format!("{name} cannot be part of a query"))?;
            pairs.push((name.as_str(), text));
        }
    }
    Ok(pairs)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}
