//! Where requests go and what they carry, for async-openai.
//!
//! Its own `OpenAIConfig` fills gaps from `OPENAI_API_KEY` and other variables,
//! and would so send a key of the environment to whatever `base_url` names.

use async_openai::config::Config;
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use zupa_core::{Error, Result};

/// One server and the key for it.
pub(crate) struct Endpoint {
    base: String,
    key: SecretString,
    headers: HeaderMap,
}

impl Endpoint {
    /// Fails if the key cannot be a header.
    pub(crate) fn new(base: &Url, key: Option<SecretString>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(key) = &key {
            headers.insert(AUTHORIZATION, bearer(key)?);
        }
        Ok(Self {
            base: base.as_str().trim_end_matches('/').to_owned(),
            key: key.unwrap_or_default(),
            headers,
        })
    }
}

/// The key as a header that is not shown.
pub(crate) fn bearer(key: &SecretString) -> Result<HeaderValue> {
    let bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()));
    let mut bearer = bearer.map_err(|_| {
        Error::invalid(
            "the model's api_key holds a line end or another character that no header takes",
        )
    })?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}
