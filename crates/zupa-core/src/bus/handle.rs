//! The handle that everybody holds, and the ring behind it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use crossbeam_queue::ArrayQueue;
use futures_util::task::AtomicWaker;

use super::driver::Driver;
use super::event::{Draft, Event};
use super::pattern::Pattern;
use super::reduce::{Reduced, Registration};
use super::registry::Registry;
use super::subscribe::{EventFeed, Subscription};
use super::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use super::tally::Tally;
use crate::clock::Clock;
use crate::error::Result;

/// What the driver does, for whoever may have to wake it: it looks for itself what there
/// is, it has only just handed something out and comes back soon, or it sleeps.
const AWAKE: usize = 0;
const RESTING: usize = 1;
const PARKED: usize = 2;
/// Events that wait for the driver unless somebody says otherwise.
const WAITING: usize = 8_192;

/// The bus. Cheap to clone; clones are the same bus.
#[derive(Clone)]
pub struct EventBus {
    pub(super) shared: Arc<Shared>,
}

/// What the handles and the driver share.
pub(super) struct Shared {
    pub ring: ArrayQueue<Draft>,
    /// Events that were lost and whose numbers the driver has not skipped yet.
    pub lost: AtomicU64,
    pub dropped: Tally,
    /// Events that subscribers were too slow for.
    pub missed: Arc<AtomicU64>,
    pub panics: AtomicU64,
    pub registry: Registry,
    state: AtomicUsize,
    waker: AtomicWaker,
    stopping: AtomicBool,
    driven: AtomicBool,
}

impl Default for EventBus {
    /// A bus on which 8,192 events may wait for the driver.
    fn default() -> Self {
        Self::new(WAITING)
    }
}

impl EventBus {
    /// A bus on which `waiting` events, at least one, may wait for the driver. Their
    /// memory, about 300 bytes each, is taken at once.
    pub fn new(waiting: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                ring: ArrayQueue::new(waiting.max(1)),
                lost: AtomicU64::new(0),
                dropped: Tally::default(),
                missed: Arc::default(),
                panics: AtomicU64::new(0),
                registry: Registry::default(),
                state: AtomicUsize::new(AWAKE),
                waker: AtomicWaker::new(),
                stopping: AtomicBool::new(false),
                driven: AtomicBool::new(false),
            }),
        }
    }

    /// Tells whoever listens. Never waits, never fails: without room the event is lost
    /// and counted, and [`BUS_DROPPED`](super::names::BUS_DROPPED) says so to
    /// subscribers. With no subscriber and no reducer it does nothing.
    pub fn emit(&self, draft: Draft) {
        let shared = &*self.shared;
        if !shared.registry.is_watched() {
            return;
        }
        if let Err(refused) = shared.ring.push(draft) {
            shared.lose(refused.name.namespace());
        }
        shared.wake();
    }

    /// True when somebody listens: whoever would have to work for an event asks first.
    pub fn is_watched(&self) -> bool {
        self.shared.registry.is_watched()
    }

    /// Runs `reduce` on each event that has the pattern, before it is numbered.
    /// Reducers run in the order of their registration, each on what those before it
    /// let pass; it is over when the registration is dropped. One that panics is
    /// counted, and the event passes.
    ///
    /// It runs on the driver's task: it must not wait. At most 64 events come of one.
    ///
    /// *Errors*: as [`Pattern::parse`].
    pub fn reduce(
        &self,
        pattern: &str,
        reduce: impl Fn(&Draft) -> Reduced + Send + Sync + 'static,
    ) -> Result<Registration> {
        let pattern = Pattern::parse(pattern)?;
        Ok(Registration::new(&self.shared, pattern, Box::new(reduce)))
    }

    /// Hands each event that has the pattern to `handler`, one after the other. The
    /// subscription begins now and is a future: whoever spawns it gives it a task of
    /// its own. While the handler is at work 4,096 events wait; what is more is lost
    /// for this subscriber alone, and counted. A handler that panics is counted and goes
    /// on with the next event.
    ///
    /// *Errors*: as [`Pattern::parse`].
    pub fn subscribe<Handling>(
        &self,
        pattern: &str,
        handler: impl FnMut(Arc<Event>) -> Handling + Send + 'static,
    ) -> Result<Subscription>
    where
        Handling: Future<Output = ()> + Send + 'static,
    {
        let feed = self.feed(pattern)?;
        Ok(Subscription::new(feed, self.shared.clone(), handler))
    }

    /// The same as a feed that is read with [`EventFeed::next`].
    ///
    /// *Errors*: as [`Pattern::parse`].
    pub fn feed(&self, pattern: &str) -> Result<EventFeed> {
        let pattern = Pattern::parse(pattern)?;
        Ok(EventFeed::new(&self.shared, pattern))
    }

    /// The driver, for the first that asks: a bus has one.
    pub fn driver(&self, clock: Arc<dyn Clock>) -> Option<Driver> {
        let taken = self.shared.driven.swap(true, Ordering::AcqRel);
        (!taken).then(|| Driver::new(self.shared.clone(), clock))
    }

    /// Asks the driver to hand out what was emitted until now, and to end. Feeds then
    /// end behind their last event, and the bus is silent for ever.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.wake();
    }

    /// How many events wait for the driver.
    pub fn waiting(&self) -> usize {
        self.shared.ring.len()
    }

    /// Events lost for want of room on the bus, by namespace.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.shared.dropped.counts()
    }

    /// Events that subscribers were too slow for, summed over all there ever were.
    pub fn missed(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }

    /// How often a reducer or a handler has panicked.
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }
}

impl Shared {
    pub(super) fn lose(&self, namespace: &'static str) {
        self.dropped.add(namespace);
        self.lost.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Wakes the driver if it sleeps, or rests while too much comes in. The fences, here
    /// and in [`Self::lie_down`], are what no wake-up can slip through: either this side
    /// sees the driver lie down, or the driver sees what was put there before.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        let wanted = match self.state.load(Ordering::Relaxed) {
            AWAKE => false,
            RESTING => self.cannot_wait(),
            _ => true,
        };
        if wanted && self.state.swap(AWAKE, Ordering::SeqCst) != AWAKE {
            self.waker.wake();
        }
    }

    /// Sleeps until there is something to do. Cancel safe.
    pub(super) async fn sleep(&self) {
        std::future::poll_fn(|cx| self.poll_work(cx)).await;
    }

    /// Leaves what comes in alone until `rest` is over, or it is too much. Cancel safe.
    pub(super) async fn rest(&self, rest: impl Future<Output = ()>) {
        let mut rest = std::pin::pin!(rest);
        let over = std::future::poll_fn(|cx| {
            self.lie_down(RESTING, cx);
            if self.cannot_wait() || rest.as_mut().poll(cx).is_ready() {
                return self.get_up();
            }
            Poll::Pending
        });
        over.await;
    }

    fn poll_work(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.lie_down(PARKED, cx);
        if !self.ring.is_empty() || self.cannot_wait() {
            return self.get_up();
        }
        Poll::Pending
    }

    fn lie_down(&self, state: usize, cx: &Context<'_>) {
        self.waker.register(cx.waker());
        self.state.store(state, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    fn get_up(&self) -> Poll<()> {
        self.state.store(AWAKE, Ordering::SeqCst);
        Poll::Ready(())
    }

    /// Whether a driver that rests would be late: half of the ring is full, or it is over.
    fn cannot_wait(&self) -> bool {
        self.ring.len() * 2 >= self.ring.capacity()
            || self.lost.load(Ordering::SeqCst) > 0
            || self.is_stopping()
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventBus({} waiting)", self.waiting())
    }
}

/// Lets other tasks run.
pub(super) async fn yield_now() {
    let mut yielded = false;
    let once = std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    once.await;
}
