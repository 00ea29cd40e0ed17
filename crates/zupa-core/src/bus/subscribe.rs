//! Who gets the events: each subscriber behind a bounded buffer of its own.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::event::{Event, Name};
use super::handle::Shared;
use super::pattern::Pattern;
use super::sync::{AtomicU64, Ordering};

/// Events that wait for one subscriber.
const BUFFER: usize = 4_096;

/// The driver's end of one subscriber.
pub(super) struct Subscriber {
    pattern: Pattern,
    events: mpsc::Sender<Arc<Event>>,
    dropped: Arc<AtomicU64>,
    /// The bus's sum.
    missed: Arc<AtomicU64>,
}

impl Subscriber {
    pub(super) fn wants(&self, name: Name) -> bool {
        self.pattern.matches(name)
    }

    pub(super) fn offer(&self, event: Arc<Event>) {
        match self.events.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
            // It is just leaving.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

/// A subscriber that reads at its own pace. Leaves when dropped.
pub struct EventFeed {
    id: u64,
    events: mpsc::Receiver<Arc<Event>>,
    dropped: Arc<AtomicU64>,
    shared: Weak<Shared>,
}

impl EventFeed {
    pub(super) fn new(shared: &Arc<Shared>, pattern: Pattern) -> Self {
        let (sender, events) = mpsc::channel(BUFFER);
        let dropped = Arc::new(AtomicU64::new(0));
        let subscriber = Subscriber {
            pattern,
            events: sender,
            dropped: dropped.clone(),
            missed: shared.missed.clone(),
        };
        Self {
            id: shared.registry.add_subscriber(Arc::new(subscriber)),
            events,
            dropped,
            shared: Arc::downgrade(shared),
        }
    }

    /// Waits for the next event; none when the bus has stopped. Cancel safe.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        self.events.recv().await
    }

    /// Events that this feed has lost because 4,096 were waiting in it.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for EventFeed {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.registry.remove(self.id);
        }
    }
}

impl fmt::Debug for EventFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventFeed({} waiting)", self.events.len())
    }
}

/// A handler at work, to be spawned; it ends when the bus stops. Dropped, it is over.
#[must_use = "a subscription does nothing unless it is spawned"]
pub struct Subscription {
    running: Pin<Box<dyn Future<Output = ()> + Send>>,
    dropped: Arc<AtomicU64>,
}

impl Subscription {
    pub(super) fn new<Handling>(
        mut feed: EventFeed,
        shared: Arc<Shared>,
        mut handler: impl FnMut(Arc<Event>) -> Handling + Send + 'static,
    ) -> Self
    where
        Handling: Future<Output = ()> + Send + 'static,
    {
        let dropped = feed.dropped.clone();
        let running = async move {
            while let Some(event) = feed.next().await {
                let handling = async { handler(event).await };
                // It may leave what it shares half changed; that is its own.
                if AssertUnwindSafe(handling).catch_unwind().await.is_err() {
                    shared.panicked();
                }
            }
        };
        Self {
            running: Box::pin(running),
            dropped,
        }
    }

    /// Events that this subscriber has lost because 4,096 were waiting for it.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Future for Subscription {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.running.as_mut().poll(cx)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({} dropped)", self.dropped())
    }
}
