//! Hearing: a voice message becomes words, or the reason why not.
//!
//! A provider that is down is not waited for, beyond the one short retry of its policy:
//! speech has a fallback, which is to ask for text.

use serde::{Deserialize, Serialize};
use tracing::warn;
use zupa_core::bus::names;
use zupa_core::{
    Audio, Channel, Claimed, Content, Digest, Error, ErrorKind, Hint, Number, Result as CoreResult,
    Transcriber, TranscriptionRequest,
};

use super::modality::is_voice;
use super::{Parts, speak};
use crate::turn::{Cx, Run, Stop};

/// The line of a voice message that was not understood.
const UNHEARD: &str = "[a voice message that could not be understood]";

/// The largest voice message that is fetched. WhatsApp sends 16 MB, OpenAI takes 25.
const HEARD_BYTES: u64 = 16 << 20;

/// What became of a voice message; recorded, so that no run pays for it again, and
/// none decides otherwise.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Heard {
    /// The words.
    Words(String),
    /// None.
    Nothing {
        /// The kind of error, or `silence`.
        why: String,
        /// True when the next message would fare no better.
        down: bool,
    },
}

/// Messages, in words.
#[derive(Default)]
pub(super) struct InWords {
    /// A line for each.
    pub lines: Vec<String>,
    /// Something of it can be answered.
    pub answerable: bool,
    /// Something of it was not understood.
    pub unheard: bool,
    /// What was heard in voice, by the messages' numbers.
    pub heard: Vec<(Number, String)>,
}

impl InWords {
    fn read(&mut self, content: &Content) {
        // A reaction alone asks for no answer.
        self.answerable |= !matches!(content, Content::Reaction { .. });
        self.lines.push(content.as_prompt_text());
    }

    fn heard(&mut self, words: String, inbound: &Claimed) {
        self.answerable = true;
        let line = match &inbound.content {
            Content::Media {
                caption: Some(caption),
                ..
            } => format!("{words}\n{caption}"),
            _ => words,
        };
        self.heard.push((inbound.number, line.clone()));
        self.lines.push(line);
    }

    fn not_understood(&mut self) {
        self.unheard = true;
        self.lines.push(UNHEARD.into());
    }
}

/// Reads messages, and hears those that are voice: each an effect of its own, whose input
/// is the message alone, so that what was paid for stays, whoever transcribes the next one.
pub(super) async fn in_words(
    parts: &Parts,
    inbounds: &[Claimed],
    cx: &mut Cx,
) -> Result<InWords, Stop> {
    let mut in_words = InWords::default();
    let mut down = false;
    for (place, inbound) in inbounds.iter().enumerate() {
        let content = &inbound.content;
        let ear = parts.agent.transcriber.as_deref();
        let Some(ear) = ear.filter(|_| is_voice(content)) else {
            in_words.read(content);
            continue;
        };
        // Whoever is down would let every message wait for its own timeout.
        if down {
            in_words.not_understood();
            continue;
        }
        let (run, name) = (cx.run.clone(), format!("transcribe/{place}"));
        let hearing = cx.effect(&name, content, || hear(parts, ear, content, &run));
        match Box::pin(hearing).await? {
            Heard::Words(words) => in_words.heard(words, inbound),
            Heard::Nothing { down: gone, .. } => {
                in_words.not_understood();
                down = gone;
            }
        }
    }
    Ok(in_words)
}

/// Fetches and transcribes one voice message. The error ends the run.
async fn hear(
    parts: &Parts,
    transcriber: &dyn Transcriber,
    content: &Content,
    run: &Run,
) -> Result<Heard, Stop> {
    run.hint(Hint::Typing);
    // The last moment: what comes now is paid for.
    run.claim.check()?;
    Ok(match words(transcriber, content, run).await {
        Ok(words) if words.trim().is_empty() => Heard::Nothing {
            why: "silence".into(),
            down: false,
        },
        Ok(words) => Heard::Words(shortened(words.trim(), parts.settings.payload_bytes)),
        Err(error) => {
            warn!(
                turn_id = %run.turn.turn, %error,
                "a voice message was not understood; the person is asked for text"
            );
            Heard::Nothing {
                why: error.kind().as_str().into(),
                down: is_down(&error),
            }
        }
    })
}

async fn words(transcriber: &dyn Transcriber, content: &Content, run: &Run) -> CoreResult<String> {
    let audio = fetch(content, run).await?;
    let request = TranscriptionRequest {
        audio,
        language: None,
        timeout: speak::left(run),
    };
    let began = run.path.clock.monotonic();
    let words = transcriber.transcribe(request).await;
    speak::tell(run, names::SPEECH_TRANSCRIBED, began, words.as_ref().err());
    words
}

async fn fetch(content: &Content, run: &Run) -> CoreResult<Audio> {
    let Content::Media {
        mime,
        handle,
        bytes,
        sha256,
        ..
    } = content
    else {
        return Err(Error::invalid("hear a message that has no media"));
    };
    if let Some(bytes) = bytes.filter(|bytes| *bytes > HEARD_BYTES) {
        return Err(
            Error::new(ErrorKind::Full, "the voice message is too large")
                .with("bytes", bytes)
                .with("limit", HEARD_BYTES),
        );
    }
    let channel = &run.turn.address.channel;
    let door = run.path.doors.get(channel).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            "the door of the message is not here",
        )
        .with("channel", channel)
    })?;
    let media = door.media(handle, HEARD_BYTES, speak::left(run)).await?;
    let digest = || Digest::of(&media.bytes).to_hex();
    if sha256
        .as_ref()
        .is_some_and(|announced| *announced != digest())
    {
        return Err(Error::new(
            ErrorKind::Protocol,
            "the file is not what the message announced",
        )
        .with("channel", channel));
    }
    let mime = if media.mime.is_empty() {
        mime
    } else {
        &media.mime
    };
    Ok(Audio::new(mime, media.bytes))
}

/// True when the next message would fare no better.
fn is_down(error: &Error) -> bool {
    // Nonsense may be about one message alone.
    error.is_about_provider() && error.kind() != ErrorKind::Protocol
}

/// As much of a text as a message may have.
fn shortened(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_ends_between_two_characters() {
        assert_eq!(shortened("olá", 3), "ol");
        assert_eq!(shortened("olá", 4), "olá");
        assert_eq!(shortened("olá", 0), "");
    }
}
