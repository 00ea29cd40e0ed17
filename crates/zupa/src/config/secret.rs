//! Secret references as fields: read from text, written redacted.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zupa_core::SecretRef;

use super::Config;

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

impl Config {
    /// The secrets that are set, by path. Whoever starts the process resolves
    /// each; one that cannot be resolved stops the start.
    pub fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        [
            ("store.password", &self.store.password),
            ("model.api_key", &self.model.api_key),
            ("web_chat.session_secret", &self.web_chat.session_secret),
        ]
        .into_iter()
        .filter_map(|(path, secret)| Some((path, secret.as_ref()?)))
        .collect()
    }
}
