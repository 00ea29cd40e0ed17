//! The `Channel` port: how a committed message leaves.
//!
//! The other direction is [`crate::Intake`]: a channel pushes what it receives.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::choices::ChoiceRoom;
use crate::content::Content;
use crate::error::{Error, ErrorKind, Result};
use crate::hints::Hint;
use crate::id::{Address, ChannelId, PlatformId, TenantId};
use crate::outbound::DeliveryId;
use crate::pace::Pace;
use crate::time::Timestamp;
use crate::window::ReplyWindow;

/// What a channel can and cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What makes a delivery of this channel sent.
    pub acknowledges: Acknowledges,
    /// Whether the channel drops a repeated send with the same key.
    pub deduplicates: Deduplicates,
    /// Whether its readers see an answer while it is written ([`Hint::Delta`]).
    pub drafts: bool,
    /// What becomes of a send in doubt when no evidence has come.
    pub on_unknown: OnUnknown,
    /// How fast it may be sent to. None: as fast as it answers.
    pub pace: Option<Pace>,
    /// How long after a person's last word anything but a template may be said. None: always.
    pub reply_window: Option<ReplyWindow>,
    /// The longest text of one message, in characters. None: any.
    pub text_chars: Option<usize>,
    /// The longest words under a file. None: any.
    pub caption_chars: Option<usize>,
    /// Whether it shows choices, and how many. None: it does not.
    pub choices: Option<ChoiceRoom>,
    /// Whether it sends templates.
    pub templates: bool,
}

impl Capabilities {
    /// A channel that takes any text, whenever it is given one. What is more is said field
    /// by field.
    pub const fn new(acknowledges: Acknowledges, deduplicates: Deduplicates) -> Self {
        Self {
            acknowledges,
            deduplicates,
            drafts: false,
            on_unknown: OnUnknown::Review,
            pace: None,
            reply_window: None,
            text_chars: None,
            caption_chars: None,
            choices: None,
            templates: false,
        }
    }

    /// Whether something has to be asked at each attempt, so that a commit cannot record
    /// the first one.
    pub const fn has_preconditions(self) -> bool {
        self.pace.is_some() || self.reply_window.is_some()
    }
}

/// What becomes of a send in doubt for which no evidence has come, where the channel does
/// not deduplicate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// It is given up as unknown, and shown to an operator.
    #[default]
    Review,
    /// It is sent again, and counted and shown as possibly doubled.
    Resend,
}

/// What makes a delivery sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledges {
    /// The commit: readers read the outbox row itself (web chat).
    AtCommit,
    /// The channel's answer to [`Channel::send`].
    OnSend,
}

/// Who drops a message that is sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deduplicates {
    /// The channel, by our key: a send in doubt is simply sent again.
    ByKey,
    /// Nobody: a send in doubt waits for evidence.
    Never,
}

/// One attempt to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Names the delivery; the idempotency key on the wire.
    pub delivery: DeliveryId,
    /// Where to.
    pub to: Address,
    /// What.
    pub content: Content,
    /// Whether the text goes into the channel's template, because the reply window is closed.
    /// Only where [`Capabilities::reply_window`] says so.
    pub as_template: bool,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The longest the call may take.
    pub timeout: Duration,
}

/// The channel took a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendReceipt {
    /// The platform's id of it, by which later receipts speak.
    pub platform_id: Option<PlatformId>,
}

/// Whether a channel can carry [`Content::Voice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// It sends voice messages.
    Sends,
    /// It does not: an answer leaves as text.
    TextOnly,
}

/// The bytes behind a handle of [`Content::Media`]. Customer content: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// MIME type, as the channel states it now.
    pub mime: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media({} bytes)", self.bytes.len())
    }
}

/// One configured door.
#[async_trait]
pub trait Channel: Debug + Send + Sync + 'static {
    /// Names the door.
    fn id(&self) -> &ChannelId;

    /// Names the tenant it belongs to.
    fn tenant(&self) -> &TenantId;

    /// Says what the channel can do. Constant for its life.
    fn capabilities(&self) -> Capabilities;

    /// Sends one message.
    ///
    /// *Behaviour*: called only for a delivery whose attempt is recorded. Never
    /// retries by itself.
    /// *Errors*: [`crate::Outcome::NotApplied`] only when the message certainly
    /// did not leave; a lost answer MUST be [`crate::Outcome::Unknown`].
    /// *Cancel safety*: a dropped call counts as unknown.
    async fn send(&self, message: Outgoing) -> Result<SendReceipt>;

    /// Whether the platform can be reached now, as far as the channel knows: false while a
    /// phone is away or an account is stopped.
    ///
    /// *Behaviour*: never blocks. While it is false nothing is handed to
    /// [`Channel::send`], so that no attempt is spent: what is to be sent waits.
    fn is_open(&self) -> bool;

    /// Since when the channel has told everything: it was accepting, and all that the
    /// platform had to say was accepted by us, without a gap until now. Wall time.
    ///
    /// *Behaviour*: never blocks. None while it is not so, and always none where news of
    /// our messages does not carry our key: then hearing nothing of a message does not
    /// mean that it has not left.
    fn caught_up_since(&self) -> Option<Timestamp>;

    /// Says whether it carries voice. Constant for its life.
    fn voice(&self) -> Voice;

    /// Fetches the bytes of received media, by the handle that came with it.
    ///
    /// *Behaviour*: changes nothing; may be asked again for as long as the platform
    /// keeps the media. Never retries by itself. Stops reading at `max_bytes` and
    /// keeps to `timeout`.
    /// *Errors*: [`ErrorKind::NotFound`] for a handle that is unknown or has expired,
    /// [`ErrorKind::Full`] for more than `max_bytes`, [`ErrorKind::Protocol`] for bytes
    /// that are not what the message announced, [`ErrorKind::Unsupported`] where a
    /// channel has no media ([`no_media`]).
    /// *Cancel safety*: safe.
    async fn media(&self, handle: &str, max_bytes: u64, timeout: Duration) -> Result<Media>;

    /// Shows a passing sign: typing, a piece of an answer. Lossy, never blocks.
    fn hint(&self, to: &Address, hint: Hint);
}

/// What a channel without media answers when it is asked for some.
pub fn no_media(channel: &ChannelId) -> Error {
    Error::new(ErrorKind::Unsupported, "this channel has no media").with("channel", channel)
}

/// Checks a text, or a named part of a message, before it leaves: it says something, in at
/// most `limit` characters.
///
/// *Errors*: [`ErrorKind::Invalid`], without the text.
pub fn text_within(text: &str, limit: usize, what: &'static str) -> Result<()> {
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > limit {
        return Err(
            Error::invalid("a text has the wrong length for its channel")
                .with("text", what)
                .with("characters", chars)
                .with("limit", limit),
        );
    }
    Ok(())
}
