//! The `Transcriber` port: one call is one upload.

use std::fmt;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use zupa_core::{Audio, Result, Transcriber, TranscriptionRequest};

use crate::error::Failure;
use crate::speech::{Body, Server};
use crate::speech_config::OpenAiTranscriberConfig;

/// Several times what anybody says in one message.
const MAX_BYTES: usize = 1 << 20;

/// Speech into text, by an OpenAI-compatible server.
pub struct OpenAiTranscriber {
    server: Server,
    language: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

impl OpenAiTranscriber {
    /// Checks the configuration and prepares the connections; opens none.
    ///
    /// *Errors*: as [`crate::OpenAiModel::new`].
    pub fn new(config: OpenAiTranscriberConfig) -> Result<Self> {
        let base_url = config.check()?;
        let server = Server::new(
            base_url,
            config.model,
            config.api_key,
            config.connect_timeout,
        )?;
        Ok(Self {
            server,
            language: config.language,
        })
    }
}

#[async_trait]
impl Transcriber for OpenAiTranscriber {
    fn name(&self) -> &str {
        self.server.model()
    }

    async fn transcribe(&self, request: TranscriptionRequest) -> Result<String> {
        let server = &self.server;
        let TranscriptionRequest {
            audio,
            language,
            timeout,
        } = request;
        let language = language.as_deref().or(self.language.as_deref());
        let form = form(&audio, server.model(), language);
        let request = server
            .post("/audio/transcriptions")
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .multipart(form);
        let body = server.exchange(request, MAX_BYTES, timeout).await;
        body.and_then(text_of)
            .map_err(|failure| server.error(failure))
    }
}

/// Servers tell the format by the file's name, so it always has one.
fn form(audio: &Audio, model: &str, language: Option<&str>) -> Form {
    let named = || Part::bytes(audio.bytes.to_vec()).file_name(file_name(&audio.mime));
    // A type that cannot be sent is left out: the name says the same.
    let file = named().mime_str(&audio.mime).unwrap_or_else(|_| named());
    let form = Form::new()
        .text("model", model.to_owned())
        .text("response_format", "json")
        .part("file", file);
    match language {
        Some(language) => form.text("language", language.to_owned()),
        None => form,
    }
}

fn text_of(body: Body) -> std::result::Result<String, Failure> {
    match serde_json::from_slice::<Answer>(&body.bytes) {
        Ok(answer) => Ok(answer.text),
        Err(_) => Err(body.unexpected()),
    }
}

fn file_name(mime: &str) -> &'static str {
    let kind = mime.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "audio/mpeg" | "audio/mp3" => "voice.mp3",
        "audio/mp4" | "audio/m4a" | "audio/x-m4a" | "audio/aac" => "voice.m4a",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "voice.wav",
        "audio/webm" => "voice.webm",
        "audio/flac" | "audio/x-flac" => "voice.flac",
        "audio/amr" => "voice.amr",
        // What phones record; and the best guess for what nobody knows.
        _ => "voice.ogg",
    }
}

impl fmt::Debug for OpenAiTranscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAiTranscriber({})", self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_their_type() {
        for (mime, name) in [
            ("audio/ogg; codecs=opus", "voice.ogg"),
            ("Audio/MPEG", "voice.mp3"),
            ("audio/mp4", "voice.m4a"),
            ("audio/x-wav;rate=8000", "voice.wav"),
            ("nonsense", "voice.ogg"),
            ("", "voice.ogg"),
        ] {
            assert_eq!(file_name(mime), name, "{mime}");
        }
    }
}
