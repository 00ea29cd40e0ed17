//! Tools without code: `[[http_tool]]` and `[[mcp]]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toml::de::DeValue;
use zupa_core::SecretRef;

use super::keys::Key;
use super::problem::Flaw;
use super::secret::SecretText;
use super::{secret, value};

/// A tool that is one HTTP request, `[[http_tool]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpTool {
    /// What the model calls it by: 1 to 64 of `a-z A-Z 0-9 _ -`, unique among
    /// the agent's tools. Required.
    pub name: String,
    /// When and how the model should use it. Required.
    pub description: String,
    /// The request's method. Required.
    pub method: Method,
    /// Where the request goes; `{argument}` stands for an argument of the call.
    /// Required.
    pub url: String,
    /// Headers, each a reference to a secret, one behind a word as in
    /// `Bearer env:NAME`, or a literal. None by default.
    pub headers: BTreeMap<String, SecretText>,
    /// JSON Schema of the arguments, as a table or as JSON. Default: an object
    /// without properties.
    pub parameters: Value,
    /// What it means that a call was started and nobody knows how it ended.
    /// Required; an HTTP tool cannot be `reconcile`.
    pub effect: ToolEffect,
    /// Whether an operator has to approve each call. Default `false`.
    pub approve: bool,
    /// What the person is asked before each call; `{argument}` stands for an
    /// argument of it. Unset by default: nothing.
    pub confirm: Option<String>,
}

impl Default for HttpTool {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            method: Method::Get,
            url: String::new(),
            headers: BTreeMap::new(),
            parameters: no_parameters(),
            effect: ToolEffect::AtMostOnce,
            approve: false,
            confirm: None,
        }
    }
}

/// Reads a schema of arguments: a table, or JSON in a text.
pub(super) fn schema(key: &Key, value: &DeValue<'_>) -> Result<Value, Flaw> {
    let flaw = |what: &str, why: String| Err(Flaw::new(what, why, value::example(key)));
    let schema = match value {
        DeValue::Table(_) => match json_of(value) {
            Some(schema) => schema,
            None => return flaw("a value that JSON does not have", "such as a date".into()),
        },
        DeValue::String(text) => match serde_json::from_str(text) {
            Ok(schema) => schema,
            Err(error) => return flaw("the text is not JSON", error.to_string()),
        },
        other => return Err(value::wrong_type(key, "a table or a text", other)),
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => Ok(schema),
        _ => flaw(
            "not the schema of an object",
            "a model gives arguments by name, so `type` must be \"object\"".into(),
        ),
    }
}

fn json_of(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()?
            .into(),
        DeValue::Float(number) => number.as_str().parse::<f64>().ok()?.into(),
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Datetime(_) => return None,
        DeValue::Array(array) => {
            let elements = array.iter().map(|element| json_of(element.get_ref()));
            Value::Array(elements.collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let members = table
                .iter()
                .map(|(name, value)| Some((name.get_ref().to_string(), json_of(value.get_ref())?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
    })
}

/// The schema of no arguments.
pub(super) fn no_parameters() -> Value {
    json!({ "type": "object", "properties": {} })
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Arguments beside those in the URL go into the query.
    Get,
    /// Arguments beside those in the URL go into a JSON body.
    Post,
    /// As `Post`.
    Put,
    /// As `Post`.
    Patch,
    /// As `Get`.
    Delete,
}

/// What it means that a call was started and nobody knows how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolEffect {
    /// It changes nothing: it is called again.
    Pure,
    /// The server knows the key that is sent: it is called again.
    Idempotent,
    /// The server can be asked. Refused here: this takes code.
    Reconcile,
    /// It is never called again: an operator decides.
    AtMostOnce,
}

/// A server of tools, `[[mcp]]`. Only a file can name one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mcp {
    /// What the names of its tools begin with: 1 to 32 of `a-z A-Z 0-9 _ -`,
    /// unique among the servers. Required.
    pub name: String,
    /// The program to start and its arguments; no shell. They are shown, so
    /// secrets go into `env`. None by default; excludes `url`.
    pub command: Vec<String>,
    /// Where `command` runs. Unset by default: the working directory.
    pub directory: Option<String>,
    /// The whole environment of `command`, by reference or literally. None by
    /// default.
    pub env: BTreeMap<String, SecretText>,
    /// Where the server listens (streamable HTTP). Unset by default; excludes
    /// `command`.
    pub url: Option<String>,
    /// The bearer token for `url`. Unset by default.
    #[serde(with = "secret")]
    pub bearer: Option<SecretRef>,
    /// Its tools to offer, by the server's names. Unset by default: all.
    pub allow: Option<Vec<String>>,
    /// Digests that tools must have, by the server's names. None by default.
    pub pins: BTreeMap<String, String>,
    /// What tools do, by the server's names, whatever the server says. None by
    /// default: `at_most_once`, with an approval of each call.
    pub effects: BTreeMap<String, ToolEffect>,
    /// Tools in `effects` whose calls an operator has to approve all the same.
    /// None by default.
    pub approve: Vec<String>,
    /// Whether the server's own word on what its tools do counts. Default
    /// `false`.
    pub trust_annotations: bool,
}
