//! Secret references as fields: read from text, written redacted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zupa_core::SecretRef;

use super::Config;

/// Words in the names of headers and variables that hold secrets.
const TELLING: [&str; 9] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "pwd",
    "secret",
    "signature",
    "token",
];

/// Writes a reference as it was given and a literal as `***`.
pub(super) fn serialize<S: Serializer>(
    secret: &Option<SecretRef>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret
        .as_ref()
        .map(SecretRef::to_string)
        .serialize(serializer)
}

/// Reads `env:NAME`, `file:PATH`, `exec:COMMAND` or a literal.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretRef>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| SecretRef::parse(&text))
        .transpose()
        .map_err(|_| de::Error::custom("not a secret reference"))
}

/// The same for a list.
pub(super) mod list {
    use super::{Deserialize, Deserializer, SecretRef, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(
        secrets: &[SecretRef],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(secrets.iter().map(SecretRef::to_string))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<SecretRef>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let secrets = texts.iter().map(|text| SecretRef::parse(text));
        secrets
            .collect::<zupa_core::Result<_>>()
            .map_err(|_| de::Error::custom("not a secret reference"))
    }
}

/// A header or a variable: a reference, a reference behind a word as in
/// `Bearer env:NAME`, or a literal. Shown as [`SecretRef`] is.
#[derive(Clone)]
pub struct SecretText {
    /// What stands before the secret, its space included.
    pub prefix: String,
    /// The secret.
    pub secret: SecretRef,
}

impl SecretText {
    fn parse(text: &str) -> zupa_core::Result<Self> {
        let (prefix, rest) = split(text);
        Ok(Self {
            prefix: prefix.to_owned(),
            secret: SecretRef::parse(rest)?,
        })
    }
}

/// The word before a reference, with its space, and the rest; all of a text in
/// which no word stands before a reference is the rest.
pub(super) fn split(text: &str) -> (&str, &str) {
    let is_reference = |text: &str| {
        ["env:", "file:", "exec:"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    };
    match text.split_once(' ') {
        Some((word, rest)) if !is_reference(word) && is_reference(rest) => {
            text.split_at(word.len() + 1)
        }
        _ => ("", text),
    }
}

impl fmt::Display for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.secret)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?)
            .map_err(|_| de::Error::custom("not a secret reference"))
    }
}

impl Config {
    /// The secrets that are set, by path. Whoever starts the process resolves
    /// each; one that cannot be resolved stops the start. A literal header or
    /// variable counts if its name says that it is one.
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let single = [
            ("store.password", &self.store.password),
            ("model.api_key", &self.model.api_key),
            ("transcriber.api_key", &self.transcriber.api_key),
            ("synthesizer.api_key", &self.synthesizer.api_key),
            ("web_chat.session_secret", &self.web_chat.session_secret),
        ];
        let single = single.into_iter().filter_map(|(path, secret)| {
            let secret = secret.as_ref()?;
            Some((path.to_owned(), secret))
        });
        let headers = self
            .http_tools
            .iter()
            .enumerate()
            .flat_map(|(index, tool)| named(&tool.headers, format!("http_tool[{index}].headers")));
        let variables = self.mcp.iter().enumerate().flat_map(|(index, server)| {
            let bearer = server.bearer.as_ref();
            let bearer = bearer.map(|secret| (format!("mcp[{index}].bearer"), secret));
            named(&server.env, format!("mcp[{index}].env")).chain(bearer)
        });
        let models = self.model.fallback.iter().enumerate();
        let models = models.filter_map(|(index, model)| {
            let key = model.api_key.as_ref()?;
            Some((format!("model.fallback[{index}].api_key"), key))
        });
        let doors = self.channels.iter().enumerate();
        let doors = doors.flat_map(|(index, door)| {
            let named = [
                ("access_token", door.access_token.as_slice()),
                ("app_secrets", &door.app_secrets),
                ("verify_token", door.verify_token.as_slice()),
            ];
            named.into_iter().flat_map(move |(name, secrets)| {
                let path = format!("channel[{index}].{name}");
                secrets.iter().map(move |secret| (path.clone(), secret))
            })
        });
        single
            .chain(models)
            .chain(doors)
            .chain(headers)
            .chain(variables)
            .collect()
    }
}

/// Those of a table that are secrets, by path.
fn named(
    table: &BTreeMap<String, SecretText>,
    at: String,
) -> impl Iterator<Item = (String, &SecretRef)> {
    table.iter().filter_map(move |(name, text)| {
        let plain = name.to_lowercase();
        let tells = TELLING.iter().any(|word| plain.contains(word));
        let is_one = tells || !matches!(text.secret, SecretRef::Literal(_));
        is_one.then(|| (format!("{at}.{name}"), &text.secret))
    })
}
