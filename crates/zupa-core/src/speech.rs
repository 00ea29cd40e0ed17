//! The `Transcriber` and `Synthesizer` ports: speech in and out.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Somebody's voice. Customer content: never logged.
///
/// Cheap to clone. Written as JSON its bytes are hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audio {
    /// MIME type, parameters included: `audio/ogg; codecs=opus`.
    pub mime: String,
    /// The file.
    #[serde(with = "as_hex")]
    pub bytes: Arc<[u8]>,
}

impl Audio {
    /// A file of a type.
    pub fn new(mime: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            mime: mime.into(),
            bytes: bytes.into(),
        }
    }
}

impl Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audio({} bytes)", self.bytes.len())
    }
}

/// What is to be written down.
#[derive(Debug, Clone)]
pub struct TranscriptionRequest {
    /// What was said.
    pub audio: Audio,
    /// The language that is spoken, by its ISO 639-1 code; none lets the provider
    /// find out.
    pub language: Option<String>,
    /// The longest the whole call may take.
    pub timeout: Duration,
}

/// What is to be said aloud.
#[derive(Clone)]
pub struct SynthesisRequest {
    /// The words.
    pub text: String,
    /// The provider's name of the voice; none takes the configured one.
    pub voice: Option<String>,
    /// The language of the text, by its ISO 639-1 code; none lets the provider find
    /// out.
    pub language: Option<String>,
    /// The most bytes that the answer may have.
    pub max_bytes: usize,
    /// The longest the whole call may take, last byte included.
    pub timeout: Duration,
}

impl Debug for SynthesisRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SynthesisRequest")
            .field("text", &format_args!("{} bytes", self.text.len()))
            .field("voice", &self.voice)
            .field("language", &self.language)
            .field("max_bytes", &self.max_bytes)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Speech into text.
#[async_trait]
pub trait Transcriber: Debug + Send + Sync + 'static {
    /// Names the model, for audit and metrics.
    fn name(&self) -> &str;

    /// Writes down what was said.
    ///
    /// *Behaviour*: the words as they were spoken, in their language; empty where
    /// nobody speaks. Never retries by itself. Keeps to `request.timeout`.
    /// *Errors*: about the provider and about this input (invalid, a format that it
    /// does not know, too long) MUST be told apart by kind, as those of
    /// [`crate::Model`]. A server's `Retry-After` MUST be kept. Neither words nor
    /// bodies are part of an error.
    /// *Cancel safety*: dropping the future closes the connection; the provider may
    /// still charge for the call.
    async fn transcribe(&self, request: TranscriptionRequest) -> Result<String>;
}

/// Text into speech.
#[async_trait]
pub trait Synthesizer: Debug + Send + Sync + 'static {
    /// Names the model, for audit and metrics.
    fn name(&self) -> &str;

    /// Says a text aloud.
    ///
    /// *Behaviour*: a whole file, never a part of one and never an empty one. Never
    /// retries by itself. Keeps to `request.timeout` and `request.max_bytes`.
    /// *Errors*: as [`Transcriber::transcribe`]; a text that the provider does not
    /// take is [`crate::ErrorKind::Invalid`], an answer of more than
    /// `request.max_bytes` is [`crate::ErrorKind::Full`].
    /// *Cancel safety*: as [`Transcriber::transcribe`].
    async fn synthesize(&self, request: SynthesisRequest) -> Result<Audio>;
}

/// Bytes as a string of hexadecimal digits: JSON has nothing for bytes.
pub(crate) mod as_hex {
    use std::sync::Arc;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[u8]>, D::Error> {
        let digits = String::deserialize(from)?;
        // What `hex` says of a mistake quotes a digit of them.
        let bytes = hex::decode(digits).map_err(|_| D::Error::custom("not hexadecimal"))?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_survives_json() {
        let audio = Audio::new("audio/ogg; codecs=opus", [0u8, 1, 0xfe, 0xff].as_slice());
        let json = serde_json::to_string(&audio).unwrap();
        assert_eq!(
            json,
            r#"{"mime":"audio/ogg; codecs=opus","bytes":"0001feff"}"#
        );
        assert_eq!(serde_json::from_str::<Audio>(&json).unwrap(), audio);
        for broken in ["0", "zz", "é"] {
            let json = format!(r#"{{"mime":"audio/ogg","bytes":"{broken}"}}"#);
            let error = serde_json::from_str::<Audio>(&json).unwrap_err();
            assert!(error.to_string().starts_with("not hexadecimal"), "{error}");
        }
    }

    #[test]
    fn neither_voice_nor_words_are_shown() {
        let audio = Audio::new("audio/ogg", b"secret".as_slice());
        assert_eq!(format!("{audio:?}"), "Audio(6 bytes)");
        let request = SynthesisRequest {
            text: "secret".into(),
            voice: None,
            language: None,
            max_bytes: 1,
            timeout: Duration::ZERO,
        };
        assert!(!format!("{request:?}").contains("secret"));
    }
}
