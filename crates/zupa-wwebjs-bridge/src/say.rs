//! What can leave: a content becomes what the sidecar is told to say, or is refused.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use zupa_core::channel::text_within;
use zupa_core::{Content, Digest, Error, ErrorKind, Result};

/// More than anybody reads; beyond it WhatsApp cuts.
pub(crate) const MAX_TEXT_CHARS: usize = 65_536;
/// The longest words under a file.
pub(crate) const MAX_CAPTION_CHARS: usize = 1_024;
/// How the library's names of messages begin, and so the handles of their files.
const HANDLES: [&str; 2] = ["true_", "false_"];
/// The longest name of a place.
const MAX_NAME_CHARS: usize = 1_000;
/// The longest emoji: families have many parts.
const MAX_EMOJI_CHARS: usize = 16;
/// How a card begins.
const CARD: &str = "BEGIN:VCARD";
/// Where an Ogg file says what it holds: behind the first page's head.
const CODEC: std::ops::Range<usize> = 28..36;

/// What the sidecar is told to say.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Say<'a> {
    Text {
        text: &'a str,
    },
    Location {
        latitude: f64,
        longitude: f64,
        name: Option<&'a str>,
    },
    /// One person's vCard.
    Card {
        text: &'a str,
    },
    /// Opus in Ogg. Too long for a frame, so it is in a file.
    Voice {
        #[serde(skip)]
        bytes: &'a [u8],
        /// In the folder of what leaves.
        file: String,
    },
    /// A file that came to this phone, by the handle it came with.
    File {
        handle: &'a str,
        /// A picture or a film is shown as one, anything else is a document.
        is_shown: bool,
        caption: Option<&'a str>,
    },
    /// Sets what the bot thinks of a message; an empty emoji takes it back.
    Reaction {
        to: &'a str,
        emoji: &'a str,
    },
}

impl<'a> Say<'a> {
    /// `command` is what the file of a voice message is called by.
    ///
    /// *Errors*: [`ErrorKind::Unsupported`] for what no phone can say or this door has no way
    /// for, [`ErrorKind::Invalid`] for what breaks a limit.
    pub(crate) fn read(content: &'a Content, command: &str) -> Result<Self> {
        match content {
            Content::Text { text } => {
                text_within(text, MAX_TEXT_CHARS, "a text")?;
                Ok(Self::Text { text })
            }
            Content::Location {
                latitude,
                longitude,
                name,
            } => {
                // NaN is in no range.
                if !((-90.0..=90.0).contains(latitude) && (-180.0..=180.0).contains(longitude)) {
                    return Err(Error::invalid("a place that is not on earth"));
                }
                let name = name.as_deref().filter(|name| !name.trim().is_empty());
                if let Some(name) = name {
                    text_within(name, MAX_NAME_CHARS, "the name of a place")?;
                }
                Ok(Self::Location {
                    latitude: *latitude,
                    longitude: *longitude,
                    name,
                })
            }
            Content::Voice { audio, .. } if is_opus(&audio.bytes) => Ok(Self::Voice {
                bytes: &audio.bytes,
                file: Digest::of(command.as_bytes()).to_hex(),
            }),
            // No phone plays anything else as a voice message, and the words are at hand.
            Content::Voice { transcript, .. } => {
                text_within(transcript, MAX_TEXT_CHARS, "a text")?;
                Ok(Self::Text { text: transcript })
            }
            Content::Media {
                mime,
                handle,
                caption,
                ..
            } => {
                if !HANDLES.iter().any(|begins| handle.starts_with(begins)) {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "only files that came to this phone can be sent",
                    ));
                }
                let caption = caption.as_deref().filter(|words| !words.trim().is_empty());
                if let Some(words) = caption {
                    if mime.starts_with("audio/") || mime == "image/webp" {
                        return Err(Error::invalid("no words go under such a file"));
                    }
                    text_within(words, MAX_CAPTION_CHARS, "a caption")?;
                }
                let shown = ["image/", "video/", "audio/"];
                Ok(Self::File {
                    handle,
                    is_shown: shown.iter().any(|kind| mime.starts_with(kind)),
                    caption,
                })
            }
            Content::Contacts { cards } => match cards.as_slice() {
                [card] => {
                    let text = card.as_str().filter(|text| text.starts_with(CARD));
                    let text = text.ok_or_else(|| Error::invalid("a card that is no vCard"))?;
                    text_within(text, MAX_TEXT_CHARS, "a card")?;
                    Ok(Self::Card { text })
                }
                _ => Err(Error::invalid("a message has one card")),
            },
            Content::Reaction { to, emoji } => {
                let is_one = !emoji.chars().any(char::is_whitespace)
                    && emoji.chars().count() <= MAX_EMOJI_CHARS;
                match is_one && !to.is_empty() {
                    true => Ok(Self::Reaction { to, emoji }),
                    false => Err(Error::invalid("a reaction is one emoji to one message")),
                }
            }
            other => Err(Error::new(
                ErrorKind::Unsupported,
                "this phone cannot send such a content",
            )
            .with("content", other.kind())),
        }
    }
}

/// A file on its way out, deleted with this.
#[derive(Debug)]
pub(crate) struct Leaving(PathBuf);

impl Drop for Leaving {
    fn drop(&mut self) {
        // What stays is deleted when the session is taken the next time.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Say<'_> {
    /// Puts what does not fit into a frame where the sidecar reads it.
    pub(crate) fn lay_out(&self, folder: &Path) -> io::Result<Option<Leaving>> {
        use std::os::unix::fs::OpenOptionsExt;

        let Self::Voice { bytes, file, .. } = self else {
            return Ok(None);
        };
        let leaving = Leaving(folder.join(file));
        let mut options = File::options();
        options.create(true).write(true).truncate(true).mode(0o600);
        options.open(&leaving.0)?.write_all(bytes)?;
        Ok(Some(leaving))
    }
}

fn is_opus(bytes: &[u8]) -> bool {
    bytes.starts_with(b"OggS") && bytes.get(CODEC) == Some(b"OpusHead".as_slice())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(latitude: f64, name: Option<&str>) -> Content {
        Content::Location {
            latitude,
            longitude: -46.6,
            name: name.map(str::to_owned),
        }
    }

    fn file(caption: &str) -> Content {
        Content::Media {
            mime: "image/png".to_owned(),
            handle: "false_15550001111@c.us_A1".to_owned(),
            caption: Some(caption.to_owned()),
            filename: None,
            bytes: None,
            sha256: None,
        }
    }

    fn reaction(to: &str, emoji: &str) -> Content {
        Content::Reaction {
            to: to.to_owned(),
            emoji: emoji.to_owned(),
        }
    }

    fn cards(cards: &[&str]) -> Content {
        Content::Contacts {
            cards: cards.iter().map(|card| json!(card)).collect(),
        }
    }

    #[test]
    fn each_kind_is_told_with_its_parts() {
        for (content, told) in [
            (Content::text("hi"), json!({ "kind": "text", "text": "hi" })),
            (
                place(-23.5, Some("here")),
                json!({ "kind": "location", "latitude": -23.5, "longitude": -46.6, "name": "here" }),
            ),
            (
                file("look"),
                json!({ "kind": "file", "handle": "false_15550001111@c.us_A1",
                    "is_shown": true, "caption": "look" }),
            ),
            (
                cards(&["BEGIN:VCARD\nEND:VCARD"]),
                json!({ "kind": "card", "text": "BEGIN:VCARD\nEND:VCARD" }),
            ),
            (
                reaction("A1|false|", ""),
                json!({ "kind": "reaction", "to": "A1|false|", "emoji": "" }),
            ),
        ] {
            assert_eq!(
                serde_json::to_value(Say::read(&content, "k").unwrap()).unwrap(),
                told
            );
        }
    }

    #[test]
    fn what_breaks_a_limit_is_refused_and_not_quoted() {
        let long = "\u{1F600}".repeat(MAX_TEXT_CHARS);
        assert!(Say::read(&Content::text(&long), "k").is_ok());
        for content in [
            file(&"x".repeat(MAX_CAPTION_CHARS + 1)),
            Content::text(long + "x"),
            Content::text(" \n"),
            place(90.1, None),
            place(f64::NAN, None),
            place(1.0, Some(&"canary".repeat(200))),
            cards(&[]),
            cards(&["canary"]),
            cards(&["BEGIN:VCARD", "BEGIN:VCARD"]),
            reaction("", "+"),
            reaction("A1|false|", "can ary"),
            reaction("A1|false|", &"\u{200d}".repeat(17)),
        ] {
            let error = Say::read(&content, "k").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(!error.to_string().contains("canary"));
        }
        let other = Content::Unsupported {
            raw_kind: "canary".to_owned(),
        };
        let error = Say::read(&other, "k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.to_string().contains("canary"));
    }
}
