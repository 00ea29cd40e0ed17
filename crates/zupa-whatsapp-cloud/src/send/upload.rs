//! A file on its way to Meta, before the message that names it. It is no message: nobody sees
//! one that was brought twice, so whatever becomes of it, the message has not left.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::Value;
use zupa_core::{Audio, Content, Outcome, Outgoing, Result};

use super::failure::Failure;
use super::{Graph, Said, read};

/// What phones show as a voice message.
const VOICE: &str = "audio/ogg; codecs=opus";
/// Where an Ogg file says what it holds: behind the first page's head.
const CODEC: std::ops::Range<usize> = 28..36;

/// A spoken answer as its words, if it is anything but Opus in Ogg: phones play no other voice
/// message, and the words are at hand.
pub(super) fn in_words_unless_heard(message: Outgoing) -> Outgoing {
    match &message.content {
        Content::Voice { audio, transcript } if !is_opus(&audio.bytes) => Outgoing {
            content: Content::text(transcript),
            ..message
        },
        _ => message,
    }
}

impl Graph {
    /// Brings a voice message and answers its id at Meta.
    ///
    /// *Errors*: always [`Outcome::NotApplied`].
    pub(super) async fn upload(
        &self,
        audio: &Audio,
        timeout: Duration,
        attempt: u32,
    ) -> Result<String> {
        let file = Part::bytes(audio.bytes.to_vec()).file_name("voice.ogg");
        let brought = match file.mime_str(VOICE) {
            Ok(file) => {
                let form = Form::new()
                    .text("messaging_product", "whatsapp")
                    .text("type", VOICE)
                    .part("file", file);
                let media = self.client.post(self.media.clone());
                match media.timeout(timeout).multipart(form).send().await {
                    Ok(response) => read(response).await.and_then(id),
                    Err(error) => Err(Failure::sending(error)),
                }
            }
            Err(error) => Err(Failure::sending(error)),
        };
        brought.map_err(|failure| {
            let error = failure.into_error(&self.channel, attempt);
            error.with_outcome(Outcome::NotApplied)
        })
    }
}

fn id(Said { status, answer }: Said) -> Result<String, Failure> {
    let id = answer.get("id").and_then(Value::as_str);
    let id = id.filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or(Failure::NoAnswer { status })
}

fn is_opus(bytes: &[u8]) -> bool {
    bytes.starts_with(b"OggS") && bytes.get(CODEC) == Some(b"OpusHead".as_slice())
}
