//! `RecordingChannel`: a door that remembers what was sent and answers as told; with an
//! intake it also tells, before, instead of or long after an answer, what became of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, ChoiceRoom, Deduplicates, DeliveryId,
    Error, ErrorKind, Hint, Intake, IntakeBatch, Media, OnUnknown, Outcome, Outgoing, Pace,
    PlatformId, Receipt, ReceiptLevel, ReceiptNews, ReplyWindow, Result, Retry, SendReceipt,
    TenantId, Timestamp, Voice,
};

/// What the channel does with a send.
#[derive(Debug, Clone, Default)]
pub enum Answer {
    /// Takes the message and tells its platform id.
    #[default]
    Ok,
    /// Takes the message and tells no id.
    OkWithoutId,
    /// Does not take it, with this error.
    Fail(Error),
    /// Takes it, but the answer gets lost: [`Outcome::Unknown`].
    LostAnswer,
    /// Never answers, and does not take it.
    Hang,
    /// Takes it and never answers.
    HangAfter,
    /// Goes on as the other says, after this time of tokio's clock.
    After(Duration, Box<Answer>),
    /// Takes it, has this told and accepted under our key, and then goes on as the other
    /// says. Needs [`RecordingChannel::connect`].
    Tell(ReceiptLevel, Box<Answer>),
}

impl Answer {
    /// True where the person sees the message, whatever the caller hears.
    fn takes(&self) -> bool {
        match self {
            Self::Fail(_) | Self::Hang => false,
            Self::After(_, then) => then.takes(),
            _ => true,
        }
    }
}

/// A door that records. Answers [`Answer::Ok`] unless told otherwise.
#[derive(Debug)]
pub struct RecordingChannel {
    id: ChannelId,
    tenant: TenantId,
    capabilities: Capabilities,
    voice: Voice,
    seen: Mutex<Seen>,
    sends: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Seen {
    intake: Option<Intake>,
    is_closed: bool,
    caught_up_since: Option<Timestamp>,
    told: Vec<(DeliveryId, ReceiptLevel)>,
    plan: VecDeque<Answer>,
    calls: Vec<Outgoing>,
    called_at: Vec<Instant>,
    taken: Vec<Outgoing>,
    hints: Vec<(Address, Hint)>,
    media: HashMap<String, Result<Media>>,
    fetched: Vec<String>,
}

impl RecordingChannel {
    /// A door that answers each send, and drops repeated keys if it
    /// `deduplicates`.
    pub fn new(id: ChannelId, tenant: TenantId, deduplicates: Deduplicates) -> Self {
        Self {
            id,
            tenant,
            capabilities: Capabilities {
                drafts: true,
                ..Capabilities::new(Acknowledges::OnSend, deduplicates)
            },
            voice: Voice::TextOnly,
            seen: Mutex::default(),
            sends: watch::Sender::new(0),
        }
    }

    /// The same, but a message is delivered by the commit itself.
    pub fn at_commit(mut self) -> Self {
        self.capabilities.acknowledges = Acknowledges::AtCommit;
        self
    }

    /// The same, but what stays unsettled is sent again.
    pub fn resending(mut self) -> Self {
        self.capabilities.on_unknown = OnUnknown::Resend;
        self
    }

    /// The same, but its platform has limits.
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.capabilities.pace = Some(pace);
        self
    }

    /// The same, but it shows choices.
    pub fn with_choices(mut self, room: ChoiceRoom) -> Self {
        self.capabilities.choices = Some(room);
        self
    }

    /// The same, but a text has at most so many characters.
    pub fn with_text(mut self, chars: usize) -> Self {
        self.capabilities.text_chars = Some(chars);
        self
    }

    /// The same, but it may be spoken through freely only for a while, and then by templates.
    pub fn with_window(mut self, window: ReplyWindow) -> Self {
        self.capabilities.reply_window = Some(window);
        self.capabilities.templates = true;
        self
    }

    /// The same, but it carries voice.
    pub fn with_voice(mut self) -> Self {
        self.voice = Voice::Sends;
        self
    }

    /// Has its platform go away, or come back.
    pub fn set_open(&self, is_open: bool) {
        self.lock().is_closed = !is_open;
    }

    /// Holds media under a handle, or fails to fetch it.
    pub fn hold(&self, handle: &str, media: Result<Media>) {
        self.lock().media.insert(handle.to_owned(), media);
    }

    /// Every handle that was asked for, in order.
    pub fn fetched(&self) -> Vec<String> {
        self.lock().fetched.clone()
    }

    /// Has news of messages taken here from now on.
    pub fn connect(&self, intake: Intake) {
        self.lock().intake = Some(intake);
    }

    /// Says since when it has told everything; none: it has not.
    pub fn caught_up(&self, since: Option<Timestamp>) {
        self.lock().caught_up_since = since;
    }

    /// Tells what became of a message, under our key, and waits until that is accepted.
    ///
    /// *Errors*: as [`Intake::deliver`]; [`ErrorKind::Internal`] without an intake.
    pub async fn tell(&self, delivery: DeliveryId, level: ReceiptLevel) -> Result<()> {
        let intake = {
            let mut seen = self.lock();
            seen.told.push((delivery, level));
            seen.intake.clone()
        };
        let intake = intake.ok_or_else(|| Error::internal("nobody has connected the door"))?;
        let receipt = Receipt {
            tenant: self.tenant.clone(),
            channel: self.id.clone(),
            about: platform_id(delivery)?,
            news: ReceiptNews::Status {
                level,
                key: Some(delivery.to_string()),
            },
            at: None,
        };
        let batch = IntakeBatch {
            inbounds: Vec::new(),
            receipts: vec![receipt],
        };
        intake.deliver(batch).await.map(drop)
    }

    /// All that was told, in order.
    pub fn told(&self) -> Vec<(DeliveryId, ReceiptLevel)> {
        self.lock().told.clone()
    }

    /// Answers the next sends with these, in order.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.lock().plan.extend(answers);
    }

    /// Every call of `send`, in order, whatever became of it.
    pub fn calls(&self) -> Vec<Outgoing> {
        self.lock().calls.clone()
    }

    /// When each call of `send` came, on tokio's clock.
    pub fn called_at(&self) -> Vec<Instant> {
        self.lock().called_at.clone()
    }

    /// What the person sees: what was taken, without repeated keys where the
    /// channel deduplicates.
    pub fn visible(&self) -> Vec<Outgoing> {
        self.lock().taken.clone()
    }

    /// Every hint, in order.
    pub fn hints(&self) -> Vec<(Address, Hint)> {
        self.lock().hints.clone()
    }

    /// Waits until `send` was called `count` times. Cancel safe.
    pub async fn called(&self, count: usize) {
        let mut sends = self.sends.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = sends.wait_for(|made| *made >= count).await;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, message: &Outgoing) -> Answer {
        let mut seen = self.lock();
        seen.calls.push(message.clone());
        seen.called_at.push(Instant::now());
        let answer = seen.plan.pop_front().unwrap_or_default();
        let takes = answer.takes();
        let repeated = self.capabilities.deduplicates == Deduplicates::ByKey
            && seen
                .taken
                .iter()
                .any(|old| old.delivery == message.delivery);
        if takes && !repeated {
            seen.taken.push(message.clone());
        }
        self.sends.send_replace(seen.calls.len());
        answer
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Channel for RecordingChannel {
    fn id(&self) -> &ChannelId {
        &self.id
    }

    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let mut answer = self.note(&message);
        loop {
            answer = match answer {
                Answer::Ok => return taken(message.delivery),
                Answer::After(time, then) => {
                    tokio::time::sleep(time).await;
                    *then
                }
                Answer::OkWithoutId => return Ok(SendReceipt::default()),
                Answer::Fail(error) => return Err(error),
                Answer::LostAnswer => {
                    return Err(Error::new(ErrorKind::Timeout, "the answer was lost")
                        .with_outcome(Outcome::Unknown)
                        .with_retry(Retry::Now));
                }
                Answer::Hang | Answer::HangAfter => std::future::pending().await,
                Answer::Tell(level, then) => {
                    self.tell(message.delivery, level).await?;
                    *then
                }
            };
        }
    }

    fn is_open(&self) -> bool {
        !self.lock().is_closed
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        self.lock().caught_up_since
    }

    fn voice(&self) -> Voice {
        self.voice
    }

    async fn media(&self, handle: &str, max_bytes: u64, _timeout: Duration) -> Result<Media> {
        let mut seen = self.lock();
        seen.fetched.push(handle.to_owned());
        let missing = || Error::new(ErrorKind::NotFound, "there is no such media");
        let media = seen.media.get(handle).cloned().ok_or_else(missing)??;
        if media.bytes.len() as u64 > max_bytes {
            return Err(Error::new(ErrorKind::Full, "the media is too large")
                .with("bytes", media.bytes.len())
                .with("limit", max_bytes));
        }
        Ok(media)
    }

    fn hint(&self, to: &Address, hint: Hint) {
        self.lock().hints.push((to.clone(), hint));
    }
}

fn taken(delivery: DeliveryId) -> Result<SendReceipt> {
    Ok(SendReceipt {
        platform_id: Some(platform_id(delivery)?),
    })
}

/// The same key has the same id, as a deduplicating door has it.
fn platform_id(delivery: DeliveryId) -> Result<PlatformId> {
    PlatformId::parse(format!("out-{delivery}"))
}
