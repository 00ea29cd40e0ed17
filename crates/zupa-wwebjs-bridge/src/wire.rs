//! The wire to the sidecar: frames of four bytes of length, big endian, and so many bytes
//! of JSON.
//!
//! A frame of a kind that this version does not know is ignored; one that is too long, is
//! no JSON, or has no kind, ends the connection.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::say::Say;

/// The version of all that is said here. Both sides must have the same.
pub(crate) const PROTOCOL: u32 = 2;
/// No frame is longer, in either direction.
pub(crate) const MAX_FRAME_BYTES: usize = 1 << 20;

/// What the sidecar says.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum FromSidecar {
    /// First of all.
    Hello {
        protocol: u32,
        /// The library's version; none if it is not installed.
        library: Option<String>,
    },
    /// It is alive.
    Beat,
    /// How its client is.
    State {
        state: String,
        reason: Option<String>,
    },
    /// What a person has to give the phone: `qr` or `code`.
    Pairing { way: String, text: String },
    /// Something happened. It is kept until its number is confirmed.
    Event { seq: u64, event: Value },
    /// What became of a send.
    Answer(Answer),
    /// Where media lie.
    Media(MediaAnswer),
    /// It ends, and why.
    Leaving { reason: String },
    /// Said by a later version.
    #[serde(other)]
    Unknown,
}

/// What became of a send.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) command: String,
    pub(crate) result: Fate,
    /// The platform's name of the message.
    pub(crate) id: Option<String>,
    pub(crate) reason: Option<String>,
    /// Whether a later attempt may succeed.
    #[serde(default)]
    pub(crate) again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// WhatsApp has it.
    Sent,
    /// It has certainly not left.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// Where media lie, or why they do not.
#[derive(Debug, Deserialize)]
pub(crate) struct MediaAnswer {
    pub(crate) request: u64,
    /// A file in the folder `media`; whoever reads it deletes it.
    pub(crate) file: Option<String>,
    pub(crate) mime: Option<String>,
    pub(crate) reason: Option<String>,
}

/// What the sidecar is told.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ToSidecar<'a> {
    /// The answer to its first word.
    Hello {
        protocol: u32,
        settings: Settings<'a>,
    },
    /// We are alive.
    Beat,
    /// Everything up to this number is durable, or left out: those, as they were set up
    /// then, are not known here.
    Confirm { upto: u64, skipped: Vec<u64> },
    /// Send this, unless you have.
    Send {
        command: &'a str,
        attempt: u32,
        chat: &'a str,
        what: &'a Say<'a>,
        /// `refuse` or `allow`: whether the person may be written to first.
        first: &'a str,
        timeout_ms: u64,
    },
    /// Show that we are writing.
    Typing { chat: &'a str },
    /// Fetch received media.
    Media {
        request: u64,
        handle: &'a str,
        max_bytes: u64,
        timeout_ms: u64,
    },
    /// End.
    Stop,
}

/// What a sidecar needs to know. Not in its arguments, which everybody can read.
#[derive(Debug, Serialize)]
pub(crate) struct Settings<'a> {
    pub(crate) folder: &'a str,
    pub(crate) chromium: &'a str,
    pub(crate) sandbox: bool,
    pub(crate) marker: &'a str,
    pub(crate) pair_with: Option<&'a str>,
    pub(crate) beat_ms: u64,
    pub(crate) dead_ms: u64,
    pub(crate) start_ms: u64,
    pub(crate) ready_ms: u64,
    pub(crate) probe_ms: u64,
    /// For how long what was said is still answered.
    pub(crate) backlog_ms: u64,
    /// `ignore` or `answer`.
    pub(crate) groups: &'a str,
    pub(crate) spool_events: u32,
    pub(crate) spool_bytes: u32,
}

/// The bytes of a frame; none if it would be too long.
pub(crate) fn encode(frame: &ToSidecar<'_>) -> Option<Vec<u8>> {
    let body = serde_json::to_vec(frame).ok()?;
    if body.len() > MAX_FRAME_BYTES {
        return None;
    }
    let length = u32::try_from(body.len()).ok()?;
    Some([length.to_be_bytes().as_slice(), &body].concat())
}

/// Reads one frame. Nothing is kept for a length beyond the limit.
///
/// *Cancel safety*: none; what was read of a frame is lost.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<FromSidecar> {
    let length = from.read_u32().await? as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too long"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    serde_json::from_slice(&body)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "frame is no frame"))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        [length.to_be_bytes().as_slice(), body].concat()
    }

    async fn read_all(mut bytes: &[u8]) -> io::Result<FromSidecar> {
        read(&mut bytes).await
    }

    #[tokio::test]
    async fn a_length_of_four_gigabytes_is_refused_before_anything_is_kept() {
        let refused = read_all(&u32::MAX.to_be_bytes()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        let just = u32::try_from(MAX_FRAME_BYTES).unwrap() + 1;
        let refused = read_all(&just.to_be_bytes()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_frame_that_comes_byte_by_byte_is_a_frame() {
        let (mut near, mut far) = tokio::io::duplex(1);
        let writing = tokio::spawn(async move {
            for byte in framed(br#"{"kind":"beat"}"#) {
                far.write_all(&[byte]).await.unwrap();
            }
        });
        assert!(matches!(read(&mut near).await, Ok(FromSidecar::Beat)));
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn unknown_kinds_are_known_as_such_and_nonsense_is_refused() {
        let later = framed(br#"{"kind":"holograms","of":[1,2]}"#);
        assert!(matches!(read_all(&later).await, Ok(FromSidecar::Unknown)));
        for bad in [&b"nonsense"[..], b"{}", b"[]", b"", br#"{"kind":"event"}"#] {
            let refused = read_all(&framed(bad)).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{bad:?}");
        }
        // The end in the middle of a frame.
        let cut = &framed(br#"{"kind":"beat"}"#)[..9];
        let refused = read_all(cut).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        let text = "x".repeat(MAX_FRAME_BYTES);
        assert_eq!(encode(&ToSidecar::Typing { chat: &text }), None);
        let confirm = ToSidecar::Confirm {
            upto: 7,
            skipped: vec![5],
        };
        let expected = framed(br#"{"kind":"confirm","upto":7,"skipped":[5]}"#);
        assert_eq!(encode(&confirm).unwrap(), expected);
    }
}
