//! Who listens, and who reduces.

use std::sync::{Arc, PoisonError};

use super::reduce::Reducer;
use super::subscribe::Subscriber;
use super::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};

/// The parties of a bus. Only coming, going and the driver's look after a change take
/// the lock; whoever emits reads one number.
#[derive(Default)]
pub(super) struct Registry {
    watched: AtomicUsize,
    /// Rises with each change.
    version: AtomicU64,
    parties: Mutex<Parties>,
}

/// All that are there, in the order of their coming.
#[derive(Default, Clone)]
pub(super) struct Parties {
    next: u64,
    ended: bool,
    pub reducers: Vec<(u64, Arc<Reducer>)>,
    pub subscribers: Vec<(u64, Arc<Subscriber>)>,
}

impl Registry {
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire) > 0
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All that are there now, and the version from which on it is so.
    pub(super) fn parties(&self) -> (u64, Parties) {
        let parties = self.lock();
        (self.version(), parties.clone())
    }

    pub(super) fn add_reducer(&self, reducer: Reducer) -> u64 {
        self.change(|parties| {
            parties.reducers.push((parties.next, Arc::new(reducer)));
        })
    }

    pub(super) fn add_subscriber(&self, subscriber: Arc<Subscriber>) -> u64 {
        self.change(|parties| parties.subscribers.push((parties.next, subscriber)))
    }

    pub(super) fn remove(&self, id: u64) {
        self.change(|parties| {
            parties.reducers.retain(|(other, _)| *other != id);
            parties.subscribers.retain(|(other, _)| *other != id);
        });
    }

    /// Lets everybody go, for ever.
    pub(super) fn end(&self) {
        self.change(|parties| parties.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut Parties)) -> u64 {
        let mut parties = self.lock();
        change(&mut parties);
        if parties.ended {
            parties.reducers.clear();
            parties.subscribers.clear();
        }
        let watched = parties.reducers.len() + parties.subscribers.len();
        self.watched.store(watched, Ordering::Release);
        self.version.fetch_add(1, Ordering::Release);
        let id = parties.next;
        parties.next += 1;
        id
    }

    fn lock(&self) -> MutexGuard<'_, Parties> {
        self.parties.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
