//! Takes events off the ring, numbers them, and hands them on.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::event::{Draft, Event, Name};
use super::handle::{Shared, yield_now};
use super::names::BUS_DROPPED;
use super::registry::Parties;
use super::subscribe::Subscriber;
use super::sync::Ordering;
use crate::clock::Clock;
use crate::time::Timestamp;

/// Events between two rests, so that other tasks of the thread get their turn.
const STRETCH: usize = 256;
/// Names whose subscribers are remembered; names are constants of programs, so more
/// than that do not occur.
const ROUTES: usize = 1_024;

/// Makes the future that one rest takes.
type Rest = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// The one consumer of the ring. [`Driver::run`] is to be spawned; dropped, the bus
/// ends.
pub struct Driver {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    rest: Option<Rest>,
    /// When the stretch at hand began, once somebody wants an event of it: read for each
    /// event, the clock is among the dearest parts of its way.
    now: Option<Timestamp>,
    /// The last number that was given, or skipped.
    seq: u64,
    version: u64,
    parties: Parties,
    /// Who wants what, as it was found out, so that a match costs one look-up however
    /// many subscribers there are.
    routes: HashMap<Name, Arc<[Arc<Subscriber>]>>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, clock: Arc<dyn Clock>) -> Self {
        let (version, parties) = shared.registry.parties();
        Self {
            shared,
            clock,
            rest: None,
            now: None,
            seq: 0,
            version,
            parties,
            routes: HashMap::new(),
        }
    }

    /// Has the driver rest behind each round for as long as what `rest` makes takes, about
    /// a millisecond: whoever emits meanwhile need not wake it, which costs microseconds.
    /// One that sleeps is still woken at once, and so is one that rests while half of the
    /// ring fills up.
    pub fn resting<Resting>(mut self, rest: impl Fn() -> Resting + Send + Sync + 'static) -> Self
    where
        Resting: Future<Output = ()> + Send + 'static,
    {
        self.rest = Some(Box::new(move || rest().boxed()));
        self
    }

    /// Hands events out until [`EventBus::stop`](super::EventBus::stop); asleep while
    /// there are none.
    ///
    /// *Cancel safety*: dropped, the bus is over and everybody is let go.
    pub async fn run(mut self) {
        loop {
            self.shared.sleep().await;
            let stopping = self.shared.is_stopping();
            self.round().await;
            if stopping {
                return;
            }
            if let Some(rest) = &self.rest {
                self.shared.rest(rest()).await;
            }
        }
    }

    /// Hands out all that is on the ring now.
    async fn round(&mut self) {
        // What was lost until now came behind what is on the ring now: it was full.
        let lost = self.shared.lost.swap(0, Ordering::SeqCst);
        self.now = None;
        for place in 1..=self.shared.ring.len() {
            let Some(draft) = self.shared.ring.pop() else {
                break;
            };
            self.hand_out(draft);
            if place % STRETCH == 0 {
                yield_now().await;
                self.now = None;
            }
        }
        if lost > 0 {
            self.seq += lost;
            self.look();
            self.number(Draft::of(BUS_DROPPED).with("events", lost));
        }
    }

    /// Who comes and goes counts from the next event on.
    fn look(&mut self) {
        if self.version != self.shared.registry.version() {
            (self.version, self.parties) = self.shared.registry.parties();
            self.routes.clear();
        }
    }

    fn hand_out(&mut self, draft: Draft) {
        self.look();
        if self.parties.reducers.is_empty() {
            self.number(draft);
            return;
        }
        let mut drafts = vec![draft];
        for (_, reducer) in &self.parties.reducers {
            drafts = reducer.run(drafts, &self.shared);
        }
        for draft in drafts {
            self.number(draft);
        }
    }

    fn number(&mut self, draft: Draft) {
        self.seq += 1;
        let wanted = self.route(draft.name);
        if wanted.is_empty() {
            return;
        }
        let event = Arc::new(Event {
            name: draft.name,
            seq: self.seq,
            timestamp: *self.now.get_or_insert_with(|| self.clock.wall()),
            ids: draft.ids,
            payload: draft.payload,
        });
        for subscriber in wanted.iter() {
            subscriber.offer(event.clone());
        }
    }

    fn route(&mut self, name: Name) -> Arc<[Arc<Subscriber>]> {
        if let Some(known) = self.routes.get(&name) {
            return known.clone();
        }
        let subscribers = self.parties.subscribers.iter();
        let wanted: Arc<[_]> = subscribers
            .filter(|(_, subscriber)| subscriber.wants(name))
            .map(|(_, subscriber)| subscriber.clone())
            .collect();
        if self.routes.len() < ROUTES {
            self.routes.insert(name, wanted.clone());
        }
        wanted
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.registry.end();
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Driver(at {})", self.seq)
    }
}
