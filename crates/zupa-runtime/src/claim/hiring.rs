//! Permits for turns in flight, and the way of a turn that was claimed while its
//! message was accepted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore, mpsc,
};
use zupa_core::store::ClaimedTurn;

/// The right to run a turn; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _slot: Slot,
    _beside_others: OwnedRwLockReadGuard<()>,
}

/// The right to run a turn beside which nothing runs; given back when dropped.
pub(crate) type Alone = OwnedRwLockWriteGuard<()>;

/// Where permits come from, and where claimed turns go.
#[derive(Debug, Clone)]
pub(crate) struct Hiring {
    slots: Arc<Slots>,
    /// Every turn reads it; whoever runs alone writes it.
    others: Arc<RwLock<()>>,
    started: mpsc::UnboundedSender<Started>,
}

/// A turn that is claimed, and whoever runs it.
pub(crate) struct Started {
    pub turn: Box<ClaimedTurn>,
    pub permit: Permit,
    /// When the claim was asked for, on the monotonic clock.
    pub asked: Duration,
}

/// The dispatcher's end. There is a permit for each entry, so it is bounded.
pub(crate) type Hired = mpsc::UnboundedReceiver<Started>;

impl Hiring {
    /// For as many turns at once, but no permits yet: the dispatcher opens when
    /// the time has come.
    pub(crate) fn closed(turns: usize) -> (Self, Hired) {
        let (started, hired) = mpsc::unbounded_channel();
        let slots = Arc::new(Slots {
            free: Arc::new(Semaphore::new(0)),
            state: Mutex::new(State {
                turns: bounded(turns),
                owed: 0,
                open: false,
            }),
        });
        let hiring = Self {
            slots,
            others: Arc::default(),
            started,
        };
        (hiring, hired)
    }

    /// Lets turns run.
    pub(crate) fn open(&self) {
        let mut state = self.slots.lock();
        state.open = true;
        self.slots.free.add_permits(state.turns);
    }

    /// Turns that may run at once.
    pub(crate) fn turns(&self) -> usize {
        self.slots.lock().turns
    }

    /// Lets another number of turns run at once. Those that run go on; while they are
    /// more than that, no other starts.
    pub(crate) fn set_turns(&self, turns: usize) {
        self.slots.set_turns(bounded(turns));
    }

    /// A permit, if somebody is free and nobody waits for one.
    pub(crate) fn try_hire(&self) -> Option<Permit> {
        let slot = self.slots.free.clone().try_acquire_owned().ok()?;
        let slot = self.slots.take(slot)?;
        let others = self.others.clone().try_read_owned().ok()?;
        Some(Permit {
            _slot: slot,
            _beside_others: others,
        })
    }

    /// Waits for a permit, first come, first served. Cancel safe.
    pub(crate) async fn hire(&self) -> Option<Permit> {
        let slot = loop {
            let free = self.slots.free.clone().acquire_owned().await.ok()?;
            if let Some(slot) = self.slots.take(free) {
                break slot;
            }
        };
        Some(Permit {
            _slot: slot,
            _beside_others: self.others.clone().read_owned().await,
        })
    }

    /// Waits until the running turns have ended, while no other starts. Cancel safe.
    pub(crate) async fn hire_all(&self) -> Alone {
        self.others.clone().write_owned().await
    }

    /// Hands over a turn that is claimed already. When the dispatcher has gone the
    /// process is stopping, and the next start takes the claim back.
    pub(crate) fn start(&self, started: Started) {
        let _ = self.started.send(started);
    }
}

fn bounded(turns: usize) -> usize {
    turns.clamp(1, Semaphore::MAX_PERMITS)
}

/// Places for turns, of which there may be more or fewer from one moment to the next.
#[derive(Debug)]
struct Slots {
    free: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    turns: usize,
    /// Slots that are too many: whoever takes one or gives one back gives it up.
    owed: usize,
    open: bool,
}

impl Slots {
    /// A slot, unless it is one too many.
    fn take(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Option<Slot> {
        let mut state = self.lock();
        if state.owed > 0 {
            state.owed -= 1;
            permit.forget();
            return None;
        }
        Some(Slot {
            permit: Some(permit),
            slots: self.clone(),
        })
    }

    fn set_turns(&self, turns: usize) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.turns, turns);
        if !state.open {
            return;
        }
        if let Some(more) = turns.checked_sub(before) {
            let paid = more.min(state.owed);
            state.owed -= paid;
            self.free.add_permits(more - paid);
        } else {
            let fewer = before - turns;
            state.owed += fewer - self.free.forget_permits(fewer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place, taken.
#[derive(Debug)]
struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    slots: Arc<Slots>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        let Some(permit) = self.permit.take() else {
            return;
        };
        if state.owed > 0 {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests;
