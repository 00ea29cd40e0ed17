//! An ear and a mouth without a provider: for tests, and for trying voice out offline.
//!
//! Here the bytes of audio are its words. What the mouth says the ear understands, and
//! the same words are always the same bytes; a telephone cannot play them.

use async_trait::async_trait;
use zupa_core::{
    Audio, Error, ErrorKind, Result, SynthesisRequest, Synthesizer, Transcriber,
    TranscriptionRequest,
};

/// What the type says of audio whose bytes are words.
const MIME: &str = "audio/x-scripted; charset=utf-8";

/// Hears audio whose bytes are its words, whatever type it claims to be.
///
/// *Errors*: [`zupa_core::ErrorKind::Invalid`] for bytes that are no UTF-8, as a real
/// recording.
#[derive(Debug, Default)]
pub struct ScriptedTranscriber;

#[async_trait]
impl Transcriber for ScriptedTranscriber {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn transcribe(&self, request: TranscriptionRequest) -> Result<String> {
        let words = std::str::from_utf8(&request.audio.bytes).map_err(|_| {
            Error::invalid("the scripted transcriber hears only audio whose bytes are its words")
        })?;
        Ok(words.trim().to_owned())
    }
}

/// Says a text as its bytes.
///
/// *Errors*: [`zupa_core::ErrorKind::Invalid`] for an empty text,
/// [`zupa_core::ErrorKind::Full`] for one of more bytes than the answer may have.
#[derive(Debug, Default)]
pub struct ScriptedSynthesizer;

#[async_trait]
impl Synthesizer for ScriptedSynthesizer {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn synthesize(&self, request: SynthesisRequest) -> Result<Audio> {
        let bytes = request.text.into_bytes();
        if bytes.is_empty() {
            return Err(Error::invalid("there is nothing to say"));
        }
        if bytes.len() > request.max_bytes {
            return Err(
                Error::new(ErrorKind::Full, "the spoken answer is too large")
                    .with("bytes", bytes.len())
                    .with("limit", request.max_bytes),
            );
        }
        Ok(Audio::new(MIME, bytes))
    }
}
