//! Putting the path together, and taking it down again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use zupa_core::store::{Life, Recovery};
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Clock, Hint, Ids, Intake, Model,
    ProcessId, Result, Store, Wakeup,
};

use crate::accept::Acceptor;
use crate::agent::{self, Agent, AgentTurn, Parts};
use crate::claim::{Dispatcher, Hiring, InFlight, Quarantine, Worker};
use crate::commit::Committer;
use crate::deliver::{Deliverer, DeliveryQueue, Hands};
use crate::faults::Faults;
use crate::graph::{Engine, Graph, GraphBuilder, State};
use crate::housekeeping::Housekeeper;
use crate::memory::Memory;
use crate::settings::Settings;
use crate::system::{SystemClock, SystemIds};
use crate::turn::Path;
use crate::wakeup::InProcessWakeup;
use crate::writer::{Health, HealthReport, Writer};

/// Batches of doors that may wait for `accept`.
const INTAKE: usize = 1_024;

/// The configured doors, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doors(Arc<HashMap<ChannelId, Arc<dyn Channel>>>);

impl Doors {
    pub(crate) fn get(&self, id: &ChannelId) -> Option<&Arc<dyn Channel>> {
        self.0.get(id)
    }

    pub(crate) fn capabilities(&self, id: &ChannelId) -> Option<Capabilities> {
        self.get(id).map(|door| door.capabilities())
    }

    /// True for a door whose readers read what was committed, on any replica.
    pub(crate) fn has_readers(&self, id: &ChannelId) -> bool {
        self.capabilities(id)
            .is_some_and(|door| door.acknowledges == Acknowledges::AtCommit)
    }

    pub(crate) fn hint(&self, to: &Address, hint: Hint) {
        if let Some(door) = self.get(&to.channel) {
            door.hint(to, hint);
        }
    }
}

/// Assembles a [`Runtime`]. A store, a model and an agent are required.
pub struct Builder {
    store: Arc<dyn Store>,
    model: Arc<dyn Model>,
    agent: Agent,
    settings: Settings,
    channels: Vec<Arc<dyn Channel>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    wakeup: Arc<dyn Wakeup>,
    graph: Wanted,
    faults: Faults,
}

/// The graph that turns run.
enum Wanted {
    /// The default agent's, changed so.
    Default(Vec<Edit>),
    /// Another.
    Own(Arc<dyn Engine>),
}

type Edit = Box<dyn FnOnce(GraphBuilder<AgentTurn>) -> GraphBuilder<AgentTurn> + Send>;

impl Builder {
    /// Changes the default agent's graph: replaces, wraps and inserts nodes. Has no
    /// effect on a graph of one's own.
    pub fn edit(
        mut self,
        edit: impl FnOnce(GraphBuilder<AgentTurn>) -> GraphBuilder<AgentTurn> + Send + 'static,
    ) -> Self {
        if let Wanted::Default(edits) = &mut self.graph {
            edits.push(Box::new(edit));
        }
        self
    }

    /// Runs another graph instead of the default agent's.
    pub fn graph<S: State>(mut self, graph: Graph<S>) -> Self {
        self.graph = Wanted::Own(Arc::new(graph));
        self
    }

    /// Draws the graph of the default agent, as it was changed, as a Mermaid flowchart.
    ///
    /// *Errors*: as [`Self::start`] for a graph that is wrong.
    pub fn mermaid(self) -> Result<String> {
        let Wanted::Default(edits) = self.graph else {
            return Err(zupa_core::Error::invalid(
                "a graph of one's own draws itself",
            ));
        };
        let memory = Arc::new(Memory::new(0));
        let parts = Parts {
            agent: Arc::new(self.agent),
            settings: Arc::new(self.settings),
            model: self.model,
            store: self.store,
            memory,
        };
        Ok(built(parts, edits)?.mermaid())
    }

    /// Adds a door. Ids are unique; a later door replaces an earlier one.
    pub fn channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channels.push(channel);
        self
    }

    /// Sets limits and times.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Replaces the machine's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Replaces the machine's ids.
    pub fn ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = ids;
        self
    }

    /// Replaces the hints that work exists. The default stays in this process.
    pub fn wakeup(mut self, wakeup: Arc<dyn Wakeup>) -> Self {
        self.wakeup = wakeup;
        self
    }

    /// Plants faults, for the kill harness.
    #[cfg(feature = "faults")]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Recovers the store and starts the path.
    ///
    /// *Errors*: as [`Store::recover`]; [`zupa_core::ErrorKind::Invalid`] for a graph, a
    /// tool or a type of reply that is wrong.
    pub async fn start(self) -> Result<Runtime> {
        self.agent.check()?;
        let process = ProcessId(self.ids.fresh());
        let now = self.clock.wall();
        let life = Life {
            process,
            now,
            expires_at: now.plus(self.settings.claim_expiry),
            stale: 0,
        };
        let recovery = self.store.recover(life).await?;
        let backlog = Arc::new(AtomicU64::new(self.store.backlog().await?));
        if recovery.unclean || recovery.turns_resumed > 0 {
            info!(
                recovery.turns_resumed,
                recovery.deliveries_in_doubt,
                suspects = recovery.suspects.len(),
                "recovered from an unclean end"
            );
        }
        self.assemble(process, recovery, backlog)
    }

    fn assemble(
        self,
        process: ProcessId,
        recovery: Recovery,
        backlog: Arc<AtomicU64>,
    ) -> Result<Runtime> {
        let Self {
            store,
            model,
            agent,
            settings,
            channels,
            clock,
            ids,
            wakeup,
            graph,
            faults,
        } = self;
        let (settings, agent) = (Arc::new(settings), Arc::new(agent));
        let doors = Doors(Arc::new(
            channels
                .into_iter()
                .map(|channel| (channel.id().clone(), channel))
                .collect(),
        ));
        let (report, health) = HealthReport::channel();
        let (writer, writing) = Writer::start(store.clone(), clock.clone(), report.clone());
        let (intake, queue) = Intake::channel(INTAKE);
        let hands = Hands::default();
        let (deliveries, delivery_intake) = DeliveryQueue::channel(hands.clone());
        let (intake_stop, turns_stop, last_stop) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let (workers, sends) = (TaskTracker::new(), TaskTracker::new());
        let in_flight = InFlight::new(clock.clone(), settings.claim_expiry);
        let memory = Arc::new(Memory::new(agent.history));
        let engine: Arc<dyn Engine> = match graph {
            Wanted::Own(engine) => engine,
            Wanted::Default(edits) => {
                let parts = Parts {
                    agent: agent.clone(),
                    settings: settings.clone(),
                    model,
                    store: store.clone(),
                    memory: memory.clone(),
                };
                Arc::new(built(parts, edits)?)
            }
        };

        let (hiring, hired) = Hiring::closed(settings.turns_in_flight);
        let acceptor = Arc::new(Acceptor {
            process,
            writer: writer.clone(),
            wakeup: wakeup.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            doors: doors.clone(),
            agent: agent.clone(),
            settings: settings.clone(),
            backlog: backlog.clone(),
            hiring: hiring.clone(),
            loads: engine.loads(),
            faults: faults.clone(),
        });
        let worker = Arc::new(Worker {
            process,
            writer: writer.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            doors: doors.clone(),
            settings: settings.clone(),
            path: Arc::new(Path {
                writer: writer.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                doors: doors.clone(),
                settings: settings.clone(),
                deliveries: deliveries.clone(),
                wakeup: wakeup.clone(),
                stopping: turns_stop.clone(),
                faults: faults.clone(),
            }),
            engine: engine.clone(),
            committer: Committer {
                engine: engine.clone(),
                writer: writer.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                doors: doors.clone(),
                agent,
                settings: settings.clone(),
                deliveries: deliveries.clone(),
                memory,
                wakeup: wakeup.clone(),
                backlog: backlog.clone(),
                hooks: workers.clone(),
                faults: faults.clone(),
            },
            in_flight: in_flight.clone(),
            stopping: turns_stop.clone(),
            faults: faults.clone(),
        });
        let dispatcher = Dispatcher {
            store: store.clone(),
            wakeup,
            clock: clock.clone(),
            settings: settings.clone(),
            worker,
            quarantine: Quarantine {
                hiring: hiring.clone(),
                lane: Arc::default(),
                deadline: settings.turn_timeout + settings.claim_expiry,
            },
            alone: Quarantine::alone(&recovery.suspects),
            hiring,
            hired,
            workers: workers.clone(),
        };
        let deliverer = Arc::new(Deliverer {
            store: store.clone(),
            writer: writer.clone(),
            clock: clock.clone(),
            ids,
            doors,
            settings: settings.clone(),
            sends: sends.clone(),
            hands,
            faults,
        });
        let housekeeper = Housekeeper {
            process,
            health: report,
            store: store.clone(),
            writer,
            clock,
            settings,
            in_flight: in_flight.clone(),
            backlog,
        };

        let accepting = tokio::spawn(acceptor.run(queue, intake_stop.clone()));
        let dispatching = tokio::spawn(dispatcher.run(turns_stop.clone()));
        let delivering = tokio::spawn(deliverer.run(delivery_intake, last_stop.clone()));
        let housekeeping = tokio::spawn(housekeeper.run(last_stop.clone()));
        Ok(Runtime {
            process,
            store,
            intake,
            recovery,
            health,
            in_flight,
            intake_stop,
            turns_stop,
            last_stop,
            workers,
            sends,
            tasks: vec![accepting, dispatching, delivering, housekeeping],
            writing,
        })
    }
}

fn built(parts: Parts, edits: Vec<Edit>) -> Result<Graph<AgentTurn>> {
    edits
        .into_iter()
        .fold(agent::graph(parts), |graph, edit| edit(graph))
        .build()
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Builder({})", self.agent.name)
    }
}

/// The running path.
#[derive(Debug)]
pub struct Runtime {
    process: ProcessId,
    store: Arc<dyn Store>,
    intake: Intake,
    recovery: Recovery,
    health: watch::Receiver<Health>,
    in_flight: Arc<InFlight>,
    intake_stop: CancellationToken,
    turns_stop: CancellationToken,
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
        Builder {
            store,
            model,
            agent,
            settings: Settings::default(),
            channels: Vec::new(),
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(SystemIds),
            wakeup: Arc::new(InProcessWakeup::default()),
            graph: Wanted::Default(Vec::new()),
            faults: Faults::default(),
        }
    }

    /// The handle that doors push into.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
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

    /// Counts the writes that were refused, or not even tried, because somebody
    /// else had taken a turn over.
    pub fn stale_writes(&self) -> u64 {
        self.in_flight.stale()
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
            self.sends.wait().await;
        };
        if tokio::time::timeout(deadline, finish).await.is_err() {
            warn!(
                turns = self.workers.len(),
                "the deadline came before the end of all turns"
            );
            drained = Drained::CutShort;
        }
        self.last_stop.cancel();
        for task in self.tasks {
            // A worker cut short goes with the process; its claim stays written.
            let _ = task.await;
        }
        if drained == Drained::Whole {
            // The last caller is gone, so the writer ends when its queue is empty.
            let _ = self.writing.await;
        }
        self.store.close(self.process).await?;
        Ok(drained)
    }
}
