//! What all tasks of a simulator share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::dice::{dice, up_to};
use crate::options::Posting;
use crate::webhook::{Client, Event};
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) posting: Posting,
    pub(crate) page: bool,
    pub(crate) client: Client,
    /// `http://` and where it listens.
    pub(crate) address: String,
    world: Mutex<World>,
    changed: watch::Sender<u64>,
    /// What is due, by number.
    due: Vec<mpsc::UnboundedSender<Event>>,
    gone: CancellationToken,
    /// What is to be posted and was not, copies included.
    unposted: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        posting: Posting,
        page: bool,
        address: String,
        world: World,
        due: Vec<mpsc::UnboundedSender<Event>>,
    ) -> Self {
        Self {
            posting,
            page,
            client: crate::webhook::client(),
            address,
            world: Mutex::new(world),
            changed: watch::channel(0).0,
            due,
            gone: CancellationToken::new(),
            unposted: AtomicU64::new(0),
        }
    }

    /// Never held over an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for something to be seen.
    pub(crate) fn change(&self) {
        self.changed.send_modify(|revision| *revision += 1);
    }

    /// Told of every change; the value is a revision that grows.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Runs something until it ends or the simulator does.
    pub(crate) fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        let gone = self.gone.clone();
        tokio::spawn(async move {
            let _ = gone.run_until_cancelled(what).await;
        });
    }

    pub(crate) fn end(&self) {
        self.gone.cancel();
    }

    /// Posts an event after this time, and after what the faults add to it.
    pub(crate) fn post(self: &Arc<Self>, line: usize, event: Event, after: Duration) {
        let wait = {
            let world = self.world();
            let mut dice = dice(world.seed, ("wait", event.name()));
            after + world.faults.delay + up_to(&mut dice, world.faults.shuffle)
        };
        let Some(due) = self.due.get(line).cloned() else {
            return;
        };
        self.unposted.fetch_add(1, Ordering::SeqCst);
        if wait.is_zero() {
            // Nobody listens any more when the simulator is gone.
            let _ = due.send(event);
            return;
        }
        self.spawn(async move {
            sleep(wait).await;
            let _ = due.send(event);
        });
    }

    /// Where the webhooks of a number go, as soon as it is known.
    pub(crate) async fn webhook(&self, line: usize) -> String {
        let mut changes = self.changes();
        loop {
            let to = self.world().lines[line].number.webhook.clone();
            match to {
                Some(to) => return to,
                // The sender is `self`'s own.
                None => drop(changes.changed().await),
            }
        }
    }

    /// So many events are posted, with their copies.
    pub(crate) fn done(&self, events: usize) {
        self.unposted.fetch_sub(events as u64, Ordering::SeqCst);
        self.change();
    }

    pub(crate) fn unposted(&self) -> u64 {
        self.unposted.load(Ordering::SeqCst)
    }

    /// A webhook of a number with these was answered 200.
    pub(crate) fn acknowledged(&self, line: usize, events: Vec<Event>) {
        self.world().told(line, &events);
        self.change();
        for waiting in events.into_iter().filter_map(|event| event.acknowledged) {
            // Whoever does not wait has dropped it.
            let _ = waiting.send(());
        }
    }
}
