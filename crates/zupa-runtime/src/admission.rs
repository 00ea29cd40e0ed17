//! Admission: whether doors may hand more in, or are told to come back.
//!
//! Nothing that was accepted is ever dropped, so what cannot be answered in time must
//! not be accepted. Four things close the doors: too many messages wait in the store, a
//! person's message waits too long for a turn (or would, at the pace of the last
//! seconds), and the process takes too much of the processors or of the memory that it
//! is allowed. The first is looked at for each batch, the others now and then: they close
//! above their limit, and open again below four fifths of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use zupa_core::bus::{Draft, names};
use zupa_core::{Clock, Error, ErrorKind, EventBus, Retry};

use crate::claim::{Hiring, Measured, Priority};
use crate::settings::Settings;

/// When a door that was told to come back should.
const COME_BACK: Duration = Duration::from_secs(5);
/// What the pace of starts is measured over.
const PACE: Duration = Duration::from_secs(10);
/// Where the doors open again, as a share of the limit.
const OPENS: f64 = 0.8;

/// How much of what it is allowed a process takes, as a share: 1.0 is all of it. None
/// where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MachineLoad {
    /// Of the processors, over the last seconds.
    pub cpu: Option<f64>,
    /// Of the memory.
    pub memory: Option<f64>,
}

/// Reads it.
pub(crate) type ReadLoad = Box<dyn FnMut() -> MachineLoad + Send>;

/// Why the doors are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Backlog,
    Queue,
    Cpu,
    Memory,
}

impl Reason {
    /// The word for it in events.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Queue => "queue",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// What a door is told.
    pub(crate) fn error(self) -> Error {
        if self == Self::Backlog {
            return Error::new(ErrorKind::Full, "too many messages wait for an answer")
                .with_retry(Retry::After(Duration::from_secs(1)));
        }
        Error::new(ErrorKind::Overloaded, "no more messages are taken now")
            .with("because_of", self.as_str())
            .with_retry(Retry::After(COME_BACK))
    }
}

/// Whether the doors are open. `accept` asks for each batch.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Open inbounds, roughly: counted up at `accept`, down at the end of turns.
    backlog: Arc<AtomicU64>,
    limit: u64,
    /// A bit for each reason.
    closed: AtomicU8,
}

impl Admission {
    pub(crate) fn new(backlog: Arc<AtomicU64>, settings: &Settings) -> Self {
        Self {
            backlog,
            limit: settings.backlog,
            closed: AtomicU8::new(0),
        }
    }

    /// Why nothing is taken now, if so.
    pub(crate) fn closed(&self) -> Option<Reason> {
        if self.backlog.load(Ordering::Relaxed) >= self.limit {
            return Some(Reason::Backlog);
        }
        let closed = self.closed.load(Ordering::Relaxed);
        [Reason::Queue, Reason::Cpu, Reason::Memory]
            .into_iter()
            .find(|reason| closed & bit(*reason) != 0)
    }

    fn set(&self, reason: Reason, closed: bool) {
        if closed {
            self.closed.fetch_or(bit(reason), Ordering::Relaxed);
        } else {
            self.closed.fetch_and(!bit(reason), Ordering::Relaxed);
        }
    }
}

fn bit(reason: Reason) -> u8 {
    1 << reason as u8
}

/// Looks at the queue and the machine, and closes and opens the doors.
pub(crate) struct Watchman {
    pub admission: Arc<Admission>,
    pub measured: watch::Receiver<[Measured; Priority::ALL.len()]>,
    pub read_load: Option<ReadLoad>,
    pub hiring: Hiring,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
    pub bus: EventBus,
}

impl Watchman {
    /// Looks now and then until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut gates = [
            Gate::new(Reason::Queue, self.settings.queue_age.as_secs_f64()),
            Gate::new(Reason::Cpu, share(self.settings.cpu_percent)),
            Gate::new(Reason::Memory, share(self.settings.memory_percent)),
        ];
        let (mut pace, mut told) = (Pace::default(), Default::default());
        let mut look = tokio::time::interval(self.settings.poll);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Both are cancel safe.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let now = self.clock.monotonic();
            let measured = *self.measured.borrow();
            self.tell(&measured, &mut told, now);
            let wait = pace.wait(
                &measured[Priority::Person as usize],
                self.hiring.turns(),
                now,
            );
            let load = self.load();
            let values = [Some(wait.as_secs_f64()), load.cpu, load.memory];
            for (gate, value) in gates.iter_mut().zip(values) {
                if gate.moves(value) {
                    self.moved(gate);
                }
            }
        }
    }

    fn load(&mut self) -> MachineLoad {
        let wanted = self.settings.cpu_percent > 0 || self.settings.memory_percent > 0;
        match &mut self.read_load {
            Some(read) if wanted => read(),
            _ => MachineLoad::default(),
        }
    }

    fn moved(&self, gate: &Gate) {
        let reason = gate.reason.as_str();
        self.admission.set(gate.reason, gate.closed);
        let name = if gate.closed {
            warn!(reason, "doors are told to come back: it is too much");
            names::ADMISSION_CLOSED
        } else {
            info!(reason, "doors are open again");
            names::ADMISSION_OPENED
        };
        self.bus.emit(Draft::of(name).with("reason", reason));
    }

    /// Says what waits and runs, if that is news.
    fn tell(
        &self,
        measured: &[Measured; Priority::ALL.len()],
        told: &mut [Measured; Priority::ALL.len()],
        now: Duration,
    ) {
        let waits = measured.iter().any(|one| one.waiting > 0);
        if !waits && told == measured {
            return;
        }
        *told = *measured;
        for (priority, one) in Priority::ALL.into_iter().zip(measured) {
            let oldest = one.oldest.map(|since| now.saturating_sub(since));
            self.bus.emit(
                Draft::of(names::QUEUE_WAITING)
                    .with("priority", priority.as_str())
                    .with("waiting", one.waiting)
                    .with("running", one.running)
                    .with("oldest", oldest.unwrap_or_default()),
            );
        }
    }
}

fn share(percent: u32) -> f64 {
    f64::from(percent) / 100.0
}

/// One reason to close the doors.
#[derive(Debug)]
struct Gate {
    reason: Reason,
    /// Nought: never.
    limit: f64,
    closed: bool,
}

impl Gate {
    fn new(reason: Reason, limit: f64) -> Self {
        Self {
            reason,
            limit,
            closed: false,
        }
    }

    /// Looks at a value; true if that has closed or opened it. What is not known closes
    /// nothing.
    fn moves(&mut self, value: Option<f64>) -> bool {
        let value = value.unwrap_or_default();
        let closed = match self.closed {
            _ if self.limit <= 0.0 => false,
            false => value > self.limit,
            true => value >= self.limit * OPENS,
        };
        std::mem::replace(&mut self.closed, closed) != closed
    }
}

/// How fast those that wait get their turns.
#[derive(Debug, Default)]
struct Pace {
    /// When, and how many had started by then; since somebody waits, the oldest first.
    seen: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// How long the oldest has waited, or, if that is more, how long somebody who came
    /// now would wait at least. Those that run may all end at any moment, so they count
    /// as started: that is little where many start, and much where little can be said.
    fn wait(&mut self, measured: &Measured, turns: usize, now: Duration) -> Duration {
        let Some(since) = measured.oldest else {
            self.seen.clear();
            return Duration::ZERO;
        };
        self.seen.push_back((now, measured.started));
        while self
            .seen
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= PACE)
        {
            self.seen.pop_front();
        }
        let oldest = now.saturating_sub(since);
        let (from, before) = self.seen.front().copied().unwrap_or((now, 0));
        let took = now.saturating_sub(from);
        let started = measured.started.saturating_sub(before) as f64 + turns as f64;
        let would = took.as_secs_f64() * measured.waiting as f64 / started.max(1.0);
        oldest.max(Duration::try_from_secs_f64(would).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests;
