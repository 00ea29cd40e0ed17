//! What the adapter must be told. Only the binary reads files and variables.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use zupa_core::{Error, Result};

/// How an answer is held to its form ([`zupa_core::ReplySchema`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Structured {
    /// The server enforces the schema: it is sent as `response_format`, type
    /// `json_schema`. OpenAI, Azure, Ollama, llama.cpp, vLLM and most gateways.
    #[default]
    Native,
    /// The model is told: the schema is written into the system message, and no
    /// `response_format` is sent. For servers that know none, or whose grammar
    /// keeps the model from calling tools (vLLM with tools).
    Prompt,
}

/// Which server, which model, and how long to wait. The variables named are
/// those of the `zupa` binary; the crate itself reads none.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// Where the server listens, up to what comes before `/chat/completions`.
    /// Default `https://api.openai.com/v1`; `ZUPA__MODEL__BASE_URL`.
    pub base_url: String,
    /// The server's name for the model. Has no default; `ZUPA__MODEL__NAME`.
    pub model: String,
    /// Sent as a bearer token. Unset by default, which sends none;
    /// `ZUPA__MODEL__API_KEY`.
    pub api_key: Option<SecretString>,
    /// Sampling temperature. Unset by default: the server's;
    /// `ZUPA__MODEL__TEMPERATURE`.
    pub temperature: Option<f32>,
    /// Tokens of one answer; a request may ask for fewer. Unset by default: the
    /// server's; `ZUPA__MODEL__MAX_TOKENS`.
    pub max_tokens: Option<u32>,
    /// How answers are held to a form. Default `Native`;
    /// `ZUPA__MODEL__STRUCTURED`.
    pub structured: Structured,
    /// For the connection, TLS included. Default 5 s;
    /// `ZUPA__POLICY__MODEL__CONNECT_TIMEOUT_MS`.
    pub connect_timeout: Duration,
    /// From the call to the first byte of the answer's body. Default 20 s;
    /// `ZUPA__POLICY__MODEL__FIRST_BYTE_TIMEOUT_MS`.
    pub first_byte_timeout: Duration,
    /// Between two bytes of the answer. Default 15 s;
    /// `ZUPA__POLICY__MODEL__IDLE_TIMEOUT_MS`.
    pub idle_timeout: Duration,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: String::new(),
            api_key: None,
            temperature: None,
            max_tokens: None,
            structured: Structured::Native,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(15),
        }
    }
}

impl OpenAiConfig {
    /// Checks all fields, names every problem at once and returns the address.
    pub(crate) fn check(&self) -> Result<Url> {
        let mut problems = Vec::new();
        let base_url = address(&self.base_url).map_err(|problem| problems.push(problem));
        if self.model.trim().is_empty() {
            problems.push("model names no model");
        }
        if self.temperature.is_some_and(|warmth| !warmth.is_finite()) {
            problems.push("temperature is no number");
        }
        if self.max_tokens == Some(0) {
            problems.push("max_tokens is 0, which leaves no room for an answer");
        }
        if self.connect_timeout.is_zero() {
            problems.push("connect_timeout is 0");
        }
        if self.first_byte_timeout.is_zero() {
            problems.push("first_byte_timeout is 0");
        }
        if self.idle_timeout.is_zero() {
            problems.push("idle_timeout is 0");
        }
        match base_url {
            Ok(base_url) if problems.is_empty() => Ok(base_url),
            _ => Err(Error::invalid(format!(
                "the model's configuration: {}",
                problems.join("; ")
            ))),
        }
    }
}

/// The problems do not repeat the address: a key may have been pasted into it.
pub(crate) fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "base_url is no address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("base_url must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("base_url holds a user or a password; the key goes into api_key");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("base_url must end with a path, without ? or #");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let config = OpenAiConfig {
            base_url: "https://user:hidden@host/v1".to_owned(),
            temperature: Some(f32::NAN),
            max_tokens: Some(0),
            idle_timeout: Duration::ZERO,
            ..OpenAiConfig::default()
        };
        let message = config.check().unwrap_err().to_string();
        for part in [
            "base_url",
            "model",
            "temperature",
            "max_tokens",
            "idle_timeout",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(!message.contains("hidden"));
    }

    #[test]
    fn only_plain_web_addresses_are_taken() {
        for (text, fine) in [
            ("http://localhost:11434/v1", true),
            ("https://api.openai.com/v1/", true),
            ("localhost:11434/v1", false),
            ("ftp://host/v1", false),
            ("https://host/v1?api-version=1", false),
            ("", false),
        ] {
            assert_eq!(address(text).is_ok(), fine, "{text}");
        }
    }
}
