//! One phone: what its channel, its supervisor and its reader of events share.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use zupa_core::{Clock, DeliveryId, Ids, Result};

use crate::config::WwebjsConfig;
use crate::contacts::Contacts;
use crate::event::Reader;
use crate::status::{State, Status};
use crate::wire::{Answer, MediaAnswer, ToSidecar, encode};

/// Deliveries of which it is remembered that they have certainly not left.
const MAX_CERTAIN: usize = 10_000;

/// One phone: a [`zupa_core::Channel`], and the supervisor of its sidecar
/// ([`WwebjsBridge::run`]). Cheap to clone.
#[derive(Debug, Clone)]
pub struct WwebjsBridge(pub(crate) Arc<Door>);

pub(crate) struct Door {
    pub(crate) config: WwebjsConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) reader: Reader,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) closing: watch::Sender<bool>,
    shared: Mutex<Shared>,
    requests: AtomicU64,
}

struct Shared {
    contacts: Contacts,
    line: Option<Line>,
    sends: HashMap<String, oneshot::Sender<Answer>>,
    media: HashMap<u64, oneshot::Sender<MediaAnswer>>,
    certain: HashSet<DeliveryId>,
}

/// The way to a running sidecar.
#[derive(Debug, Clone)]
pub(crate) struct Line(mpsc::Sender<Vec<u8>>);

impl Line {
    /// A way, and what goes it.
    pub(crate) fn open() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel(1_024);
        (Self(sender), receiver)
    }

    /// False if it certainly does not go out: too long, or the other side reads nothing.
    pub(crate) fn say(&self, frame: &ToSidecar<'_>) -> bool {
        encode(frame).is_some_and(|bytes| self.0.try_send(bytes).is_ok())
    }
}

impl WwebjsBridge {
    /// Checks the configuration. Nothing is started before [`Self::run`].
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] names every problem.
    pub fn new(config: WwebjsConfig, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Result<Self> {
        config.check()?;
        let status = Status {
            state: State::Degraded("not_started"),
            since: clock.wall(),
            pairing: None,
            starts: 0,
        };
        Ok(Self(Arc::new(Door {
            reader: Reader {
                tenant: config.tenant.clone(),
                channel: config.channel.clone(),
                backlog: config.backlog,
                payload_bytes: config.payload_bytes,
                groups: config.groups,
            },
            shared: Mutex::new(Shared {
                contacts: Contacts::new(config.first_contacts_per_hour),
                line: None,
                sends: HashMap::new(),
                media: HashMap::new(),
                certain: HashSet::new(),
            }),
            status: watch::Sender::new(status),
            closing: watch::Sender::new(false),
            requests: AtomicU64::new(0),
            config,
            clock,
            ids,
        })))
    }

    /// How the phone is, now and at each change.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    /// Lets the sidecar end in order; [`Self::run`] then returns.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }
}

impl Door {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn with_contacts<T>(&self, act: impl FnOnce(&mut Contacts) -> T) -> T {
        act(&mut self.shared().contacts)
    }

    /// The way to the sidecar, if one is running.
    pub(crate) fn line(&self) -> Option<Line> {
        self.shared().line.clone()
    }

    pub(crate) fn connect(&self, line: Line) {
        self.shared().line = Some(line);
    }

    /// Whoever waits for an answer hears that there will be none.
    pub(crate) fn disconnect(&self) {
        let mut shared = self.shared();
        shared.line = None;
        shared.sends.clear();
        shared.media.clear();
    }

    /// Who asks a second time takes the place of who asked first.
    pub(crate) fn expect(&self, command: String) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.shared().sends.insert(command, sender);
        receiver
    }

    pub(crate) fn answered(&self, answer: Answer) {
        let waiting = self.shared().sends.remove(&answer.command);
        if let Some(waiting) = waiting {
            // Who has gone asks again.
            let _ = waiting.send(answer);
        }
    }

    pub(crate) fn expect_media(&self) -> (u64, oneshot::Receiver<MediaAnswer>) {
        let (sender, receiver) = oneshot::channel();
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        self.shared().media.insert(request, sender);
        (request, receiver)
    }

    /// False if nobody waits for it any more.
    pub(crate) fn media_answered(&self, answer: MediaAnswer) -> bool {
        let waiting = self.shared().media.remove(&answer.request);
        waiting.is_some_and(|waiting| waiting.send(answer).is_ok())
    }

    /// Whether every attempt of a delivery so far has certainly not left.
    pub(crate) fn is_certain(&self, delivery: DeliveryId, attempt: u32) -> bool {
        attempt == 1 || self.shared().certain.contains(&delivery)
    }

    /// An attempt has certainly not left, nor has one before it; or it may have.
    pub(crate) fn note(&self, delivery: DeliveryId, not_left: bool) {
        let mut shared = self.shared();
        if !not_left {
            shared.certain.remove(&delivery);
            return;
        }
        if shared.certain.len() >= MAX_CERTAIN {
            shared.certain.clear();
        }
        shared.certain.insert(delivery);
    }

    pub(crate) fn standing(&self) -> State {
        self.status.borrow().state
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WwebjsBridge({})", self.config.channel)
    }
}
