//! What must be told of an HTTP tool.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use zupa_core::{Effect, EffectClass, Error, Result, ToolSpec};

use super::template::Template;
use crate::schema::Schema;

/// Headers that belong to the exchange, or to us.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "upgrade",
];

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// Arguments go into the query.
    Get,
    /// Arguments go into the query.
    Delete,
    /// Arguments go into a JSON body.
    Post,
    /// Arguments go into a JSON body.
    Put,
    /// Arguments go into a JSON body.
    Patch,
}

impl HttpMethod {
    pub(super) fn wire(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Delete => Method::DELETE,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
        }
    }

    pub(super) fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// One request that a model may ask for.
#[derive(Clone)]
pub struct HttpToolConfig {
    /// Unique among the agent's tools: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// When and how to use it.
    pub description: String,
    /// How the request is made.
    pub method: HttpMethod,
    /// Where it goes: an address with `{argument}` in its path and query.
    /// Arguments named there are required and sent nowhere else. Private
    /// addresses are fine: the operator has chosen them, and no argument can
    /// change scheme, host or port.
    pub url: String,
    /// Headers of every request. Default none; `Idempotency-Key` and those of
    /// the exchange itself are refused.
    pub headers: BTreeMap<String, SecretString>,
    /// JSON Schema of the arguments: an object. Default: no arguments. Unless it
    /// says otherwise, other properties than its own are refused.
    pub parameters: Value,
    /// What the request does. [`Effect::IDEMPOTENT`] sends the key as
    /// `Idempotency-Key`; [`Effect::RECONCILE`] is refused.
    pub effect: Effect,
    /// How much of an answer is read, in bytes. Default 256 KiB.
    pub response_limit_bytes: usize,
    /// For the connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
}

/// What is left of a configuration that is fine.
pub(super) struct Checked {
    pub(super) template: Template,
    pub(super) headers: HeaderMap,
    pub(super) parameters: Value,
    pub(super) schema: Schema,
}

impl HttpToolConfig {
    /// A request without arguments, headers and description. The effect has no
    /// default: whoever writes the address knows what it does.
    pub fn new(
        name: impl Into<String>,
        method: HttpMethod,
        url: impl Into<String>,
        effect: Effect,
    ) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            method,
            url: url.into(),
            headers: BTreeMap::new(),
            parameters: json!({ "type": "object", "properties": {} }),
            effect,
            response_limit_bytes: 256 << 10,
            connect_timeout: Duration::from_secs(5),
        }
    }

    /// Checks all fields and names every problem at once.
    pub(super) fn check(&self) -> Result<Checked> {
        let mut problems = Vec::new();
        let parameters = closed(&self.parameters);
        let spec = ToolSpec {
            name: self.name.clone(),
            description: String::new(),
            parameters: parameters.clone(),
        };
        if let Err(error) = spec.check() {
            problems.push(error.message().to_owned());
        }
        let schema = Schema::compile(&parameters)
            .map_err(|reason| problems.push(format!("parameters: {reason}")));
        let template = Template::parse(&self.url).map_err(|reason| problems.push(reason.into()));
        if let Ok(template) = &template {
            problems.extend(missing(template, &parameters));
        }
        let headers = headers(&self.headers, &mut problems);
        if self.effect.class == EffectClass::Reconcile {
            problems.push("effect is reconcile, but there is nobody to ask".into());
        }
        if self.response_limit_bytes == 0 {
            problems.push("response_limit_bytes is 0".into());
        }
        if self.connect_timeout.is_zero() {
            problems.push("connect_timeout is 0".into());
        }
        match (template, schema) {
            (Ok(template), Ok(schema)) if problems.is_empty() => Ok(Checked {
                template,
                headers,
                parameters,
                schema,
            }),
            _ => Err(Error::invalid(format!(
                "the configuration of an http tool: {}",
                problems.join("; ")
            ))
            .with("tool", &self.name)),
        }
    }
}

/// A model may not add arguments of its own to a request.
fn closed(parameters: &Value) -> Value {
    let mut parameters = parameters.clone();
    if let Some(members) = parameters.as_object_mut() {
        let open = ["additionalProperties", "unevaluatedProperties"];
        if !open.iter().any(|name| members.contains_key(*name)) {
            members.insert("additionalProperties".into(), false.into());
        }
    }
    parameters
}

/// What the address needs and the schema does not require.
fn missing(template: &Template, parameters: &Value) -> Vec<String> {
    let required = parameters["required"].as_array();
    let is_required = |slot: &str| required.is_some_and(|names| names.iter().any(|n| n == slot));
    let slots = template.slots().filter(|slot| !is_required(slot));
    slots
        .map(|slot| format!("parameters do not require {slot}, which url uses"))
        .collect()
}

/// Problems name the header, never its value.
fn headers(given: &BTreeMap<String, SecretString>, problems: &mut Vec<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let Ok(header) = HeaderName::try_from(name) else {
            problems.push(format!("headers: {name:?} is no name of a header"));
            continue;
        };
        if RESERVED.contains(&header.as_str()) {
            problems.push(format!("headers: {name} is not for the configuration"));
            continue;
        }
        match HeaderValue::try_from(value.expose_secret()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(header, value);
            }
            Err(_) => problems.push(format!("headers: the value of {name} fits no header")),
        }
    }
    headers
}

impl fmt::Debug for HttpToolConfig {
    /// Neither headers nor the path: both are known to hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let template = Template::parse(&self.url).ok();
        let host = template.as_ref().and_then(|url| url.origin().host_str());
        let (method, host) = (self.method.wire(), host.unwrap_or("?"));
        write!(f, "{} by {method} to {host}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> HttpToolConfig {
        HttpToolConfig::new("orders", HttpMethod::Get, url, Effect::PURE)
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let config = HttpToolConfig {
            name: "two words".into(),
            headers: BTreeMap::from([
                ("Host".into(), "canary".into()),
                ("x\n".into(), "canary".into()),
                ("x-key".into(), "canary\n".into()),
            ]),
            parameters: json!({ "type": "object", "properties": { "a": { "type": 7 } } }),
            response_limit_bytes: 0,
            effect: Effect::RECONCILE,
            ..config("https://host/{id}")
        };
        let Err(error) = config.check() else {
            panic!("it must not pass");
        };
        let message = error.to_string();
        for part in [
            "name",
            "Host",
            "x-key",
            "parameters:",
            "require id",
            "response_limit",
            "reconcile",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(!format!("{error:?} {config:?}").contains("canary"));
    }

    #[test]
    fn arguments_are_closed_unless_the_schema_opens_them() {
        let closed_by_us = config("https://host/").check().unwrap().parameters;
        assert_eq!(closed_by_us["additionalProperties"], json!(false));
        let open = HttpToolConfig {
            parameters: json!({ "type": "object", "additionalProperties": true }),
            ..config("https://host/")
        };
        assert_eq!(
            open.check().unwrap().parameters["additionalProperties"],
            json!(true)
        );
    }
}
