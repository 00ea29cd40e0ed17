//! `RecordingChannel`: a door that remembers what was sent and answers as told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Deduplicates, Error, ErrorKind, Hint,
    Media, Outcome, Outgoing, PlatformId, Result, Retry, SendReceipt, TenantId, Voice,
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
    plan: VecDeque<Answer>,
    calls: Vec<Outgoing>,
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
                acknowledges: Acknowledges::OnSend,
                deduplicates,
                drafts: true,
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

    /// The same, but it carries voice.
    pub fn with_voice(mut self) -> Self {
        self.voice = Voice::Sends;
        self
    }

    /// Holds media under a handle, or fails to fetch it.
    pub fn hold(&self, handle: &str, media: Result<Media>) {
        self.lock().media.insert(handle.to_owned(), media);
    }

    /// Every handle that was asked for, in order.
    pub fn fetched(&self) -> Vec<String> {
        self.lock().fetched.clone()
    }

    /// Answers the next sends with these, in order.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.lock().plan.extend(answers);
    }

    /// Every call of `send`, in order, whatever became of it.
    pub fn calls(&self) -> Vec<Outgoing> {
        self.lock().calls.clone()
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
        let answer = seen.plan.pop_front().unwrap_or_default();
        let takes = !matches!(answer, Answer::Fail(_) | Answer::Hang);
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
        match self.note(&message) {
            // The same key has the same id, as a deduplicating door has it.
            Answer::Ok => Ok(SendReceipt {
                platform_id: Some(PlatformId::parse(format!("out-{}", message.delivery))?),
            }),
            Answer::OkWithoutId => Ok(SendReceipt::default()),
            Answer::Fail(error) => Err(error),
            Answer::LostAnswer => Err(Error::new(ErrorKind::Timeout, "the answer was lost")
                .with_outcome(Outcome::Unknown)
                .with_retry(Retry::Now)),
            Answer::Hang | Answer::HangAfter => std::future::pending().await,
        }
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
