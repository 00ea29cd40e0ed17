//! The running path, and how it is taken down again.

mod assemble;
mod builder;
mod default_graph;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use zupa_core::store::Recovery;
use zupa_core::{Clock, EventBus, Intake, Model, ProcessId, Result, Store};

use crate::agent::Agent;
use crate::claim::{Hiring, InFlight};
use crate::deliver::LineEnd;
use crate::resilience::{Breaker, Guards};
use crate::writer::Health;

pub use self::builder::Builder;

/// How long a shutdown waits for replies that stand in a line when the last turn has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long it waits for the last events to be handed out.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// The running path.
#[derive(Debug)]
pub struct Runtime {
    process: ProcessId,
    store: Arc<dyn Store>,
    intake: Intake,
    recovery: Recovery,
    health: watch::Receiver<Health>,
    bus: EventBus,
    clock: Arc<dyn Clock>,
    /// The bus's driver, unless somebody else has it.
    driving: Option<JoinHandle<()>>,
    in_flight: Arc<InFlight>,
    hiring: Hiring,
    guards: Arc<Guards>,
    intake_stop: CancellationToken,
    turns_stop: CancellationToken,
    line_end: LineEnd,
    last_stop: CancellationToken,
    workers: TaskTracker,
    sends: TaskTracker,
    tasks: Vec<JoinHandle<()>>,
    writing: JoinHandle<()>,
}

/// How a shutdown went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything that had started was finished.
    Whole,
    /// The deadline came first; the rest runs again at the next start.
    CutShort,
}

impl Runtime {
    /// Begins a runtime from what it cannot do without.
    pub fn builder(store: Arc<dyn Store>, model: Arc<dyn Model>, agent: Agent) -> Builder {
        Builder::new(store, model, agent)
    }

    /// The handle that doors push into.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// Where the runtime tells what happens.
    pub fn bus(&self) -> EventBus {
        self.bus.clone()
    }

    /// The clock of the path, which does not follow a jump of wall time before that is
    /// sure. Whoever writes times into the same store takes them from here: leases and
    /// ends of [`zupa_core::IdempotencyKeys`], above all.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// What the start found and mended.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Whether the store takes writes; changes are news for readiness. Once it
    /// is [`Health::Lost`] the process must end: nothing can be acknowledged.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Names this process; each start has another id.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// Turns that may be in flight at once in this process.
    pub fn turns_in_flight(&self) -> usize {
        self.hiring.turns()
    }

    /// Lets another number of turns be in flight at once, at least one. Those that run go
    /// on: while they are more than that, no other starts. At no moment are there more
    /// than the larger of the old and the new number.
    pub fn set_turns_in_flight(&self, turns: usize) {
        self.hiring.set_turns(turns);
        info!(turns, "changed how many turns may be in flight");
    }

    /// Counts the writes that were refused, or not even tried, because somebody
    /// else had taken a turn over.
    pub fn stale_writes(&self) -> u64 {
        self.in_flight.stale()
    }

    /// The breakers in front of models, speech, doors and those tools that were called,
    /// by name: `model/…`, `transcriber/…`, `synthesizer/…`, `channel/…`, `tool/…`.
    pub fn breakers(&self) -> Vec<Breaker> {
        self.guards.breakers()
    }

    /// Lists them at any later time: those of tools join with their first call.
    pub fn breaker_list(&self) -> impl Fn() -> Vec<Breaker> + Clone + Send + Sync + 'static {
        let guards = self.guards.clone();
        move || guards.breakers()
    }

    /// Stops: no more intake, no new effect; waits for what has started, at most
    /// until `deadline` from now; then writes what is queued and closes the store.
    pub async fn shutdown(self, deadline: Duration) -> Result<Drained> {
        self.intake_stop.cancel();
        self.turns_stop.cancel();
        self.workers.close();
        let mut drained = Drained::Whole;
        let finish = async {
            self.workers.wait().await;
            self.sends.close();
            // What has just been said leaves, if it leaves soon. Cancel safe.
            let _ = tokio::time::timeout(LAST_WORDS, self.sends.wait()).await;
            self.line_end.all.cancel();
            self.sends.wait().await;
        };
        if tokio::time::timeout(deadline, finish).await.is_err() {
            warn!(
                turns = self.workers.len(),
                "the deadline came before the end of all turns"
            );
            drained = Drained::CutShort;
        }
        self.line_end.all.cancel();
        self.last_stop.cancel();
        for task in self.tasks {
            // A worker cut short goes with the process; its claim stays written.
            let _ = task.await;
        }
        if drained == Drained::Whole {
            // The last caller is gone, so the writer ends when its queue is empty.
            let _ = self.writing.await;
        }
        let closed = self.store.close(self.process).await;
        if let Some(driving) = self.driving {
            self.bus.stop();
            // What is not handed out by then is telemetry, and lost.
            let _ = tokio::time::timeout(LAST_EVENTS, driving).await;
        }
        closed.map(|()| drained)
    }
}
