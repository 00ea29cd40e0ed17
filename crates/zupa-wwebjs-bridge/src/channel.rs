//! The way out: one message is one command, under the delivery's key.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Deduplicates, Error, ErrorKind, Hint,
    Media, Outcome, Outgoing, Pace, PlatformId, Result, Retry, SendReceipt, TenantId, Timestamp,
    Voice,
};

use crate::contacts::First;
use crate::door::{Door, WwebjsBridge};
use crate::say::{MAX_CAPTION_CHARS, MAX_TEXT_CHARS, Say};
use crate::status::{State, word};
use crate::wire::{Answer, Fate, ToSidecar};

/// The part of a call that the sidecar may take.
const INNER: f64 = 0.8;
/// Before a message is tried again that may succeed the next time.
const AGAIN: Duration = Duration::from_secs(10);
/// The same while the phone is away: nothing is tried before it is back.
const AWAY: Duration = Duration::from_secs(1);
/// How much longer than configured the gap between two messages may be, in percent.
const SPREAD: u32 = 80;

#[async_trait]
impl Channel for WwebjsBridge {
    fn id(&self) -> &ChannelId {
        &self.0.config.channel
    }

    fn tenant(&self) -> &TenantId {
        &self.0.config.tenant
    }

    /// The sidecar carries a key out at most once, and says again what became of it.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            pace: Some(Pace {
                gap: self.0.config.send_gap,
                spread: SPREAD,
                per_hour: Some(self.0.config.sends_per_hour),
                pair: None,
            }),
            text_chars: Some(MAX_TEXT_CHARS),
            caption_chars: Some(MAX_CAPTION_CHARS),
            ..Capabilities::new(Acknowledges::OnSend, Deduplicates::ByKey)
        }
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let door = &self.0;
        let certain = door.is_certain(message.delivery, message.attempt);
        let sent = door.say(&message, certain).await;
        let not_left = matches!(&sent, Err(error) if error.outcome() == Outcome::NotApplied);
        door.note(message.delivery, not_left);
        sent.map_err(|error| error.with("channel", &door.config.channel))
    }

    fn is_open(&self) -> bool {
        // A sidecar that leaves was ready until it has left.
        self.0.standing() == State::Ready && self.0.line().is_some()
    }

    /// News of our messages carries their key, but nobody can vouch that a page has told
    /// everything.
    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    fn voice(&self) -> Voice {
        Voice::Sends
    }

    async fn media(&self, handle: &str, max_bytes: u64, limit: Duration) -> Result<Media> {
        let media = self.0.media(handle, max_bytes, limit).await;
        media.map_err(|error| error.with("channel", &self.0.config.channel))
    }

    fn hint(&self, to: &Address, hint: Hint) {
        if let (Hint::Typing, State::Ready, Some(line)) = (hint, self.0.standing(), self.0.line()) {
            line.say(&ToSidecar::Typing {
                chat: to.alias.as_str(),
            });
        }
    }
}

impl Door {
    async fn say(&self, message: &Outgoing, certain: bool) -> Result<SendReceipt> {
        let command = message.delivery.to_string();
        let what = Say::read(&message.content, &command)?;
        let Some(line) = self.line().filter(|_| self.standing() == State::Ready) else {
            return Err(self.not_ready(certain));
        };
        let now = self.clock.monotonic();
        // Of one that may have left we only ask, so nobody is counted.
        let first = match certain {
            true => self.with_contacts(|contacts| contacts.first(now, &message.to.alias)),
            false => First::Refuse,
        };
        let outgoing = self.config.session_dir.join("outgoing");
        let _until_answered = what.lay_out(&outgoing).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "write down a voice message")
                .with_source(source)
                .with_retry(Retry::After(AGAIN))
                .with_outcome(left_perhaps(certain))
        })?;
        let answer = self.expect(command.clone());
        let said = line.say(&ToSidecar::Send {
            command: &command,
            attempt: message.attempt,
            chat: message.to.alias.as_str(),
            what: &what,
            first: match first {
                First::Allow => "allow",
                First::Refuse => "refuse",
            },
            timeout_ms: millis(message.timeout.mul_f64(INNER)),
        });
        if !said {
            return Err(self.not_ready(certain));
        }
        // Cancel safe: an answer that nobody hears is given again.
        match timeout(message.timeout, answer).await {
            Ok(Ok(answer)) => {
                let next_first = self.with_contacts(|contacts| contacts.next_first(now));
                judge(answer, next_first)
            }
            Ok(Err(_)) => Err(in_doubt(
                ErrorKind::Unavailable,
                "the sidecar ended while it was sending",
            )),
            Err(_) => Err(in_doubt(ErrorKind::Timeout, "the sidecar does not answer")),
        }
    }

    fn not_ready(&self, certain: bool) -> Error {
        let state = self.standing();
        let mut error = Error::new(ErrorKind::Unavailable, "the phone is not ready")
            .with("state", state.as_str())
            .with_retry(Retry::After(AWAY))
            .with_outcome(left_perhaps(certain));
        if let Some(reason) = state.reason() {
            error = error.with("reason", reason);
        }
        error
    }

    async fn media(&self, handle: &str, max_bytes: u64, limit: Duration) -> Result<Media> {
        let (request, answer) = self.expect_media();
        let said = self.line().is_some_and(|line| {
            line.say(&ToSidecar::Media {
                request,
                handle,
                max_bytes,
                timeout_ms: millis(limit.mul_f64(INNER)),
            })
        });
        if !said {
            return Err(self.not_ready(true));
        }
        // Cancel safe: a file that nobody takes is deleted when its answer comes.
        let answered = timeout(limit, answer).await;
        let late = || Error::new(ErrorKind::Timeout, "the phone did not fetch media in time");
        let answer = answered
            .map_err(|_| late())?
            .map_err(|_| self.not_ready(true))?;
        let Some(file) = answer.file else {
            return Err(match answer.reason.as_deref() {
                Some("gone") => Error::new(ErrorKind::NotFound, "the phone has no such media"),
                Some("too_large") => Error::new(ErrorKind::Full, "media are too large"),
                Some("altered") => {
                    Error::new(ErrorKind::Protocol, "the file is not what was announced")
                }
                Some("not_ready") => self.not_ready(true),
                _ => late(),
            });
        };
        let bytes = self.read_media(&file, max_bytes)?;
        let mime = answer.mime.unwrap_or_default();
        Ok(Media { mime, bytes })
    }

    /// Reads a file of the folder `media` and deletes it.
    fn read_media(&self, name: &str, max_bytes: u64) -> Result<Vec<u8>> {
        let path = self.media_file(name)?;
        let broken = |source| Error::new(ErrorKind::Protocol, "read media").with_source(source);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| {
            file.take(max_bytes.saturating_add(1))
                .read_to_end(&mut bytes)
        });
        // What was read once is not asked for again.
        let _ = std::fs::remove_file(path);
        read.map_err(broken)?;
        if bytes.len() as u64 > max_bytes {
            return Err(Error::new(ErrorKind::Full, "media are too large"));
        }
        Ok(bytes)
    }

    /// A name is a number that we gave, and never a path.
    pub(crate) fn media_file(&self, name: &str) -> Result<std::path::PathBuf> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::new(
                ErrorKind::Protocol,
                "a name of media is no name",
            ));
        }
        Ok(self.config.session_dir.join("media").join(name))
    }
}

/// `next_first` is when somebody who has never written may be written to.
fn judge(answer: Answer, next_first: Option<Duration>) -> Result<SendReceipt> {
    let reason = answer.reason.as_deref().unwrap_or_default();
    match answer.result {
        Fate::Sent => Ok(SendReceipt {
            platform_id: answer.id.and_then(|id| PlatformId::parse(id).ok()),
        }),
        Fate::Unknown => Err(in_doubt(
            ErrorKind::Timeout,
            "nobody knows whether the message left",
        )),
        Fate::Failed => {
            let (kind, what) = match reason {
                "first_contact" if next_first.is_some() => (
                    ErrorKind::RateLimited,
                    "enough people who have never written were written to",
                ),
                "first_contact" => (
                    ErrorKind::Invalid,
                    "this person has never written, and is not written to first",
                ),
                "no_media" => (ErrorKind::NotFound, "the phone has no such file"),
                "no_message" => (ErrorKind::NotFound, "the message is not in its chat"),
                "no_chat" => (ErrorKind::NotFound, "WhatsApp knows nobody there"),
                "refused" => (ErrorKind::Invalid, "WhatsApp did not take the message"),
                _ => (ErrorKind::Unavailable, "the page could not send"),
            };
            let retry = match next_first.filter(|_| reason == "first_contact") {
                Some(wait) => Retry::After(wait.max(AGAIN)),
                None if answer.again => Retry::After(AGAIN),
                None => Retry::Never,
            };
            Err(Error::new(kind, what)
                .with("reason", word(reason))
                .with_retry(retry)
                .with_outcome(Outcome::NotApplied))
        }
    }
}

/// The outcome of an attempt that was not begun.
fn left_perhaps(certain: bool) -> Outcome {
    match certain {
        true => Outcome::NotApplied,
        false => Outcome::Unknown,
    }
}

fn in_doubt(kind: ErrorKind, what: &str) -> Error {
    Error::new(kind, what)
        .with_retry(Retry::After(AGAIN))
        .with_outcome(Outcome::Unknown)
}

pub(crate) fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zupa_testkit::{ManualClock, SeqIds};

    use super::*;
    use crate::config::WwebjsConfig;
    use crate::door::Line;

    fn bridge() -> WwebjsBridge {
        let channel = ChannelId::parse("phone").unwrap();
        let config = WwebjsConfig::new(channel, TenantId::default_tenant(), "/s");
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        WwebjsBridge::new(config, clock, Arc::new(SeqIds::seeded(7))).unwrap()
    }

    #[test]
    fn a_name_of_media_is_never_a_path() {
        let door = bridge().0;
        assert!(door.media_file("7").unwrap().ends_with("media/7"));
        for forged in ["", ".", "../spool", "7/../8", "/7", "7\0", "-7", "\u{661}"] {
            assert!(door.media_file(forged).is_err(), "{forged}");
        }
    }

    #[test]
    fn without_a_line_nothing_is_open_whatever_the_phone_was() {
        let bridge = bridge();
        let (line, _outgoing) = Line::open();
        bridge.0.connect(line);
        assert!(!bridge.is_open());
        bridge
            .0
            .status
            .send_modify(|status| status.state = State::Ready);
        assert!(bridge.is_open());
        // A sidecar that leaves takes its time.
        bridge.0.disconnect();
        assert!(!bridge.is_open());
    }
}
