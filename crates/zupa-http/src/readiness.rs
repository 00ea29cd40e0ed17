//! What the process says of itself to `/readyz`. The binary sets it.

use std::sync::{Arc, Mutex, PoisonError};

/// Whether the process may be sent work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not yet: recovery is running.
    Starting,
    /// Yes.
    Ready,
    /// Not any more.
    Draining,
    /// Not now, for a reason that people may read: the disk is full, …
    Degraded(String),
}

impl State {
    /// The word on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Degraded(_) => "degraded",
        }
    }
}

/// A handle to the process's one state; clones share it. Begins as starting.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<State>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::Starting)))
    }
}

impl Readiness {
    /// Takes work from now on.
    pub fn ready(&self) {
        self.set(State::Ready);
    }

    /// Takes no work until [`Self::ready`].
    pub fn degraded(&self, reason: impl Into<String>) {
        self.set(State::Degraded(reason.into()));
    }

    /// Takes no work any more. Final: a disk that recovers during the drain
    /// must not call work back.
    pub fn draining(&self) {
        self.set(State::Draining);
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, state: State) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != State::Draining {
            *current = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_final() {
        let readiness = Readiness::default();
        assert_eq!(readiness.state(), State::Starting);
        readiness.degraded("disk full");
        readiness.ready();
        assert_eq!(readiness.state(), State::Ready);
        readiness.draining();
        readiness.ready();
        assert_eq!(readiness.state(), State::Draining);
    }
}
