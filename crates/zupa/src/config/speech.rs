//! What the agent hears and speaks with: `[transcriber]` and `[synthesizer]`.

use serde::{Deserialize, Serialize};
use zupa_core::SecretRef;

use super::{Provider, secret};

/// Speech into text, `[transcriber]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transcriber {
    /// Who writes down what is said. Unset by default: nobody, and the model is
    /// told that there is a voice message; `ZUPA__TRANSCRIBER__PROVIDER`.
    pub provider: Option<Provider>,
    /// Where the provider listens. Default `https://api.openai.com/v1`;
    /// `ZUPA__TRANSCRIBER__BASE_URL`.
    pub base_url: String,
    /// The provider's name for the model. Default `whisper-1`;
    /// `ZUPA__TRANSCRIBER__NAME`.
    pub name: String,
    /// The provider's key. Unset by default: `OPENAI_API_KEY`, if it is set;
    /// `ZUPA__TRANSCRIBER__API_KEY`.
    #[serde(with = "secret")]
    pub api_key: Option<SecretRef>,
    /// The language that people speak, by its ISO 639-1 code. Unset by default:
    /// the provider finds out; `ZUPA__TRANSCRIBER__LANGUAGE`.
    pub language: Option<String>,
}

impl Default for Transcriber {
    fn default() -> Self {
        Self {
            provider: None,
            base_url: "https://api.openai.com/v1".to_owned(),
            name: "whisper-1".to_owned(),
            api_key: None,
            language: None,
        }
    }
}

/// Text into speech, `[synthesizer]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Synthesizer {
    /// Who says answers aloud. Unset by default: nobody, and every answer is
    /// written; `ZUPA__SYNTHESIZER__PROVIDER`.
    pub provider: Option<Provider>,
    /// Where the provider listens. Default `https://api.openai.com/v1`;
    /// `ZUPA__SYNTHESIZER__BASE_URL`.
    pub base_url: String,
    /// The provider's name for the model. Default `tts-1`;
    /// `ZUPA__SYNTHESIZER__NAME`.
    pub name: String,
    /// The provider's key. Unset by default: `OPENAI_API_KEY`, if it is set;
    /// `ZUPA__SYNTHESIZER__API_KEY`.
    #[serde(with = "secret")]
    pub api_key: Option<SecretRef>,
    /// The provider's name for the voice. Default `alloy`;
    /// `ZUPA__SYNTHESIZER__VOICE`.
    pub voice: String,
    /// What spoken answers are encoded as. Default `opus`, which phones show as
    /// a voice message; `ZUPA__SYNTHESIZER__FORMAT`.
    pub format: AudioFormat,
}

impl Default for Synthesizer {
    fn default() -> Self {
        Self {
            provider: None,
            base_url: "https://api.openai.com/v1".to_owned(),
            name: "tts-1".to_owned(),
            api_key: None,
            voice: "alloy".to_owned(),
            format: AudioFormat::default(),
        }
    }
}

/// What spoken answers are encoded as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// Whether answers are spoken or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// All are written.
    Text,
    /// All are spoken.
    Voice,
    /// Whoever spoke is spoken to.
    Mirror,
    /// What can be listened to is spoken: short, without lists, links or code.
    Dynamic,
}
