//! What a message says, whichever door it came through.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::choices::Choices;
use crate::digest::Digest;
use crate::id::WaitId;
use crate::speech::Audio;

/// The content of an inbound or an outbound.
///
/// Customer text: it is never a log field, a metric label or a span attribute.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Plain text.
    Text {
        /// The text as it came, not normalised.
        text: String,
    },
    /// A picture, a voice note, a video, a document, a sticker. The bytes stay
    /// with the channel until somebody asks for them.
    Media {
        /// MIME type as the channel states it.
        mime: String,
        /// The channel's handle for the bytes.
        handle: String,
        /// The words under it, if any.
        caption: Option<String>,
        /// The file's name, if any.
        filename: Option<String>,
        /// Size in bytes, if known.
        bytes: Option<u64>,
        /// SHA-256 in hexadecimal, if the channel states it.
        sha256: Option<String>,
    },
    /// What the agent says aloud. The bytes exist nowhere else, so they are part of
    /// the outbox row and share its life.
    Voice {
        /// What is heard; at most [`Self::VOICE_BYTES`].
        audio: Audio,
        /// The words: what the model remembers, and what readers of text see.
        transcript: String,
    },
    /// A question with answers to choose from: buttons, or a list.
    Choices(Choices),
    /// A message that the platform has approved before, for those who have not written for
    /// a while.
    Template {
        /// Its name there.
        name: String,
        /// Its language there: `en`, `pt_BR`.
        language: String,
        /// What its body leaves open, in order.
        parameters: Vec<String>,
        /// The words as the person reads them.
        text: String,
    },
    /// A choice from buttons or a list that we sent.
    InteractiveReply {
        /// The id that we gave the choice.
        choice: String,
        /// What the person saw.
        title: String,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// What the sender called it.
        name: Option<String>,
    },
    /// Cards of people.
    Contacts {
        /// The cards, as the channel spells them.
        cards: Vec<serde_json::Value>,
    },
    /// A reaction to a message; an empty emoji takes it back.
    Reaction {
        /// The message reacted to (its platform id).
        to: String,
        /// The emoji.
        emoji: String,
    },
    /// Not from outside: a wait was settled, and its turn can go on.
    Settled {
        /// The wait; the last one of a turn that had several.
        wait: WaitId,
    },
    /// Not from outside: nobody has said anything for as long as the agent wanted to
    /// be left alone, or somebody wants it to act.
    Wake {
        /// Which of them.
        why: Wake,
    },
    /// Something this version does not know.
    Unsupported {
        /// The kind as the channel names it.
        raw_kind: String,
    },
    /// A payload that its door had to take and could not read: it is claimed alone, no turn
    /// is run over it, and it is a dead letter at once. The bytes exist nowhere else, so
    /// they are part of the row, until the letter is forgotten; then there are none.
    Undecodable {
        /// The payload, to the bit; in JSON hexadecimal.
        #[serde(with = "crate::speech::as_hex")]
        payload: Arc<[u8]>,
    },
}

/// Why an agent is woken although nobody has spoken to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wake {
    /// The time has come that its last commit named.
    Due,
    /// An operator ends the conversation's session.
    EndSession,
}

impl Content {
    /// Most bytes of what the agent says aloud. Some four minutes of Opus as people
    /// send it; a row of twice that, as hexadecimal JSON.
    pub const VOICE_BYTES: usize = 1 << 20;

    /// Shorthand for plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// What a text-only model is shown of it; never empty.
    pub fn as_prompt_text(&self) -> String {
        match self {
            Self::Text { text } => text.clone(),
            Self::Media {
                mime,
                caption: Some(caption),
                ..
            } => format!("[{mime}] {caption}"),
            Self::Media {
                mime,
                caption: None,
                ..
            } => format!("[{mime}]"),
            Self::Voice { transcript, .. } => transcript.clone(),
            Self::Choices(asked) => asked.as_text(),
            Self::Template { text, .. } => text.clone(),
            Self::InteractiveReply { title, .. } => title.clone(),
            Self::Location {
                latitude,
                longitude,
                name,
            } => match name {
                Some(name) => format!("[location: {name} ({latitude}, {longitude})]"),
                None => format!("[location: {latitude}, {longitude}]"),
            },
            Self::Contacts { cards } => format!("[{} contact cards]", cards.len()),
            Self::Reaction { emoji, .. } => format!("[reaction: {emoji}]"),
            Self::Settled { .. } => "[a wait was settled]".to_owned(),
            Self::Wake { .. } => "[the agent was woken]".to_owned(),
            Self::Unsupported { raw_kind } => format!("[unsupported message: {raw_kind}]"),
            Self::Undecodable { payload } => format!("[unreadable: {} bytes]", payload.len()),
        }
    }

    /// The kind, as its JSON names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Media { .. } => "media",
            Self::Voice { .. } => "voice",
            Self::Choices(_) => "choices",
            Self::Template { .. } => "template",
            Self::InteractiveReply { .. } => "interactive_reply",
            Self::Location { .. } => "location",
            Self::Contacts { .. } => "contacts",
            Self::Reaction { .. } => "reaction",
            Self::Settled { .. } => "settled",
            Self::Wake { .. } => "wake",
            Self::Unsupported { .. } => "unsupported",
            Self::Undecodable { .. } => "undecodable",
        }
    }

    /// True for what nobody has said: [`Self::Settled`] and [`Self::Wake`].
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Settled { .. } | Self::Wake { .. })
    }

    /// The payload of [`Self::Undecodable`].
    pub fn undecoded(&self) -> Option<&[u8]> {
        match self {
            Self::Undecodable { payload } => Some(payload),
            _ => None,
        }
    }

    /// SHA-256 over the canonical JSON form: fields in declared order, no
    /// white space. Two contents are the same message when it is equal.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::Text { .. } => "Text",
            Self::Media { .. } => "Media",
            Self::Voice { .. } => "Voice",
            Self::Choices(_) => "Choices",
            Self::Template { .. } => "Template",
            Self::InteractiveReply { .. } => "InteractiveReply",
            Self::Location { .. } => "Location",
            Self::Contacts { .. } => "Contacts",
            Self::Reaction { .. } => "Reaction",
            Self::Settled { .. } => "settled",
            Self::Wake { .. } => "wake",
            Self::Unsupported { .. } => "Unsupported",
            Self::Undecodable { .. } => "Undecodable",
        };
        write!(f, "{kind}(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choices::Choice;

    #[test]
    fn content_keeps_its_words_out_of_debug() {
        assert!(!format!("{:?}", Content::text("my card number")).contains("card"));
    }

    #[test]
    fn a_voice_message_is_kept_whole_and_read_as_its_words() {
        let voice = Content::Voice {
            audio: Audio::new("audio/ogg", b"OggS".as_slice()),
            transcript: "hello".into(),
        };
        assert_eq!(voice.as_prompt_text(), "hello");
        assert!(!format!("{voice:?}").contains("hello"));
        let json = serde_json::to_string(&voice).unwrap();
        assert_eq!(
            json,
            r#"{"kind":"voice","audio":{"mime":"audio/ogg","bytes":"4f676753"},"transcript":"hello"}"#
        );
        assert!(serde_json::from_str::<Content>(&json).unwrap() == voice);
    }

    #[test]
    fn a_question_and_a_template_are_kept_whole_and_read_as_their_words() {
        let mut asked = Choices::new("tea?", vec![Choice::new("y", "Yes")]);
        asked.choices[0].description = Some("green".into());
        let template = Content::Template {
            name: "news".into(),
            language: "en".into(),
            parameters: vec!["soup".into()],
            text: "Today: soup".into(),
        };
        for (content, json, text) in [
            (
                Content::Choices(asked),
                r#"{"kind":"choices","text":"tea?","choices":[{"id":"y","title":"Yes","description":"green"}]}"#,
                "tea?\n\n1. Yes: green",
            ),
            (
                template,
                r#"{"kind":"template","name":"news","language":"en","parameters":["soup"],"text":"Today: soup"}"#,
                "Today: soup",
            ),
        ] {
            assert_eq!(serde_json::to_string(&content).unwrap(), json);
            assert!(serde_json::from_str::<Content>(json).unwrap() == content);
            assert_eq!(content.as_prompt_text(), text);
            assert!(!format!("{content:?}").contains("oup"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept_to_the_bit_and_not_shown() {
        let payload: Arc<[u8]> = Arc::from(b"\xff\0card".as_slice());
        let content = Content::Undecodable { payload };
        assert_eq!(content.as_prompt_text(), "[unreadable: 6 bytes]");
        assert!(!format!("{content:?}").contains("card"));
        let json = serde_json::to_string(&content).unwrap();
        assert_eq!(json, r#"{"kind":"undecodable","payload":"ff0063617264"}"#);
        let back: Content = serde_json::from_str(&json).unwrap();
        assert_eq!(back.undecoded(), Some(b"\xff\0card".as_slice()));
    }

    #[test]
    fn equal_contents_have_equal_digests() {
        assert_eq!(Content::text("a").digest(), Content::text("a").digest());
        assert_ne!(Content::text("a").digest(), Content::text("b").digest());
    }
}
