//! The `Synthesizer` port: one call is one file.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;
use zupa_core::{Audio, Error, Result, SynthesisRequest, Synthesizer};

use crate::error::Failure;
use crate::speech::{Body, Server};
use crate::speech_config::{AudioFormat, OpenAiSynthesizerConfig};

/// How a file of Ogg begins.
const OGG: &[u8] = b"OggS";

/// Text into speech, by an OpenAI-compatible server.
pub struct OpenAiSynthesizer {
    server: Server,
    voice: String,
    format: AudioFormat,
    max_chars: usize,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a str,
    voice: &'a str,
    response_format: &'static str,
}

impl OpenAiSynthesizer {
    /// Checks the configuration and prepares the connections; opens none.
    ///
    /// *Errors*: as [`crate::OpenAiModel::new`].
    pub fn new(config: OpenAiSynthesizerConfig) -> Result<Self> {
        let base_url = config.check()?;
        let server = Server::new(
            base_url,
            config.model,
            config.api_key,
            config.connect_timeout,
        )?;
        Ok(Self {
            server,
            voice: config.voice,
            format: config.format,
            max_chars: config.max_chars,
        })
    }

    fn audio(&self, body: Body) -> std::result::Result<Audio, Failure> {
        let media_type = body.media_type.as_deref();
        let is_audio = match media_type {
            None | Some("application/octet-stream") => true,
            Some(other) => other.starts_with("audio/"),
        };
        if !is_audio {
            return Err(body.unexpected());
        }
        if body.bytes.is_empty() {
            return Err(Failure::CutOff);
        }
        // Servers name Opus in many ways, phones know one; and some servers send what
        // they can instead of what was asked for.
        let mime = match media_type {
            _ if body.bytes.starts_with(OGG) => AudioFormat::Opus.mime(),
            Some(named) if named.starts_with("audio/") => named,
            _ => self.format.mime(),
        };
        Ok(Audio::new(mime, body.bytes))
    }
}

#[async_trait]
impl Synthesizer for OpenAiSynthesizer {
    fn name(&self) -> &str {
        self.server.model()
    }

    /// The language is told by the text; OpenAI takes no word for it.
    async fn synthesize(&self, request: SynthesisRequest) -> Result<Audio> {
        let server = &self.server;
        let chars = request.text.chars().count();
        if chars == 0 || chars > self.max_chars {
            return Err(
                Error::invalid("say a text that is empty or longer than the model takes")
                    .with("model", server.model())
                    .with("chars", chars)
                    .with("limit", self.max_chars),
            );
        }
        let said = Request {
            model: server.model(),
            input: &request.text,
            voice: request.voice.as_deref().unwrap_or(&self.voice),
            response_format: self.format.as_str(),
        };
        let sent = server.post("/audio/speech").json(&said);
        let body = server
            .exchange(sent, request.max_bytes, request.timeout)
            .await;
        body.and_then(|body| self.audio(body))
            .map_err(|failure| server.error(failure))
    }
}

impl fmt::Debug for OpenAiSynthesizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAiSynthesizer({}, {})", self.server, self.voice)
    }
}
