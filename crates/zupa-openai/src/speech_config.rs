//! What the adapters for speech must be told.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use zupa_core::{Error, Result};

use crate::config::address;

/// Which server writes down what is said, and with which model.
#[derive(Debug, Clone)]
pub struct OpenAiTranscriberConfig {
    /// Where the server listens, up to what comes before `/audio/transcriptions`.
    /// Default `https://api.openai.com/v1`.
    pub base_url: String,
    /// The server's name for the model. Default `whisper-1`, which most other
    /// servers know, too.
    pub model: String,
    /// The language that is spoken, by its ISO 639-1 code, where a request names none.
    /// Unset by default: the server finds out.
    pub language: Option<String>,
    /// Sent as a bearer token. Unset by default, which sends none.
    pub api_key: Option<SecretString>,
    /// For the connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
}

/// Which server says texts aloud, with which model and which voice.
#[derive(Debug, Clone)]
pub struct OpenAiSynthesizerConfig {
    /// Where the server listens, up to what comes before `/audio/speech`. Default
    /// `https://api.openai.com/v1`.
    pub base_url: String,
    /// The server's name for the model. Default `tts-1`, the fastest of OpenAI.
    pub model: String,
    /// The server's name for the voice; a request may ask for another. Default
    /// `alloy`.
    pub voice: String,
    /// What the answer is encoded as. Default Opus, which phones show as a voice
    /// message.
    pub format: AudioFormat,
    /// The longest text that is sent, in characters. Default 4,096, as OpenAI has it.
    pub max_chars: usize,
    /// Sent as a bearer token. Unset by default, which sends none.
    pub api_key: Option<SecretString>,
    /// For the connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
}

/// How spoken answers are encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AudioFormat {
    /// Opus in Ogg.
    #[default]
    Opus,
    /// MP3.
    Mp3,
    /// AAC.
    Aac,
    /// FLAC.
    Flac,
    /// WAV.
    Wav,
}

impl AudioFormat {
    /// The server's word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }

    pub(crate) fn mime(self) -> &'static str {
        match self {
            Self::Opus => "audio/ogg; codecs=opus",
            Self::Mp3 => "audio/mpeg",
            Self::Aac => "audio/aac",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }
}

impl Default for OpenAiTranscriberConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: "whisper-1".to_owned(),
            language: None,
            api_key: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl Default for OpenAiSynthesizerConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: "tts-1".to_owned(),
            voice: "alloy".to_owned(),
            format: AudioFormat::Opus,
            max_chars: 4_096,
            api_key: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl OpenAiTranscriberConfig {
    /// Checks all fields, names every problem at once and returns the address.
    pub(crate) fn check(&self) -> Result<Url> {
        let problems = Vec::new();
        checked(
            "the transcriber's configuration",
            &self.base_url,
            &self.model,
            self.connect_timeout,
            problems,
        )
    }
}

impl OpenAiSynthesizerConfig {
    /// Checks all fields, names every problem at once and returns the address.
    pub(crate) fn check(&self) -> Result<Url> {
        let mut problems = Vec::new();
        if self.voice.trim().is_empty() {
            problems.push("voice names no voice");
        }
        if self.max_chars == 0 {
            problems.push("max_chars is 0, which leaves nothing to say");
        }
        checked(
            "the synthesizer's configuration",
            &self.base_url,
            &self.model,
            self.connect_timeout,
            problems,
        )
    }
}

fn checked(
    what: &str,
    base_url: &str,
    model: &str,
    connect_timeout: Duration,
    mut problems: Vec<&'static str>,
) -> Result<Url> {
    let base_url = address(base_url).map_err(|problem| problems.push(problem));
    if model.trim().is_empty() {
        problems.push("model names no model");
    }
    if connect_timeout.is_zero() {
        problems.push("connect_timeout is 0");
    }
    match base_url {
        Ok(base_url) if problems.is_empty() => Ok(base_url),
        _ => Err(Error::invalid(format!("{what}: {}", problems.join("; ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let config = OpenAiSynthesizerConfig {
            base_url: "https://user:hidden@host/v1".to_owned(),
            model: " ".to_owned(),
            voice: String::new(),
            max_chars: 0,
            connect_timeout: Duration::ZERO,
            ..OpenAiSynthesizerConfig::default()
        };
        let message = config.check().unwrap_err().to_string();
        for part in ["base_url", "model", "voice", "max_chars", "connect_timeout"] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(!message.contains("hidden"));
    }

    #[test]
    fn the_defaults_are_fine() {
        assert!(OpenAiSynthesizerConfig::default().check().is_ok());
        assert!(OpenAiTranscriberConfig::default().check().is_ok());
    }
}
