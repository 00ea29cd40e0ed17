//! What a runtime is made of, gathered before it starts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tracing::info;
use zupa_core::store::Life;
use zupa_core::{Channel, Clock, Ids, Model, ProcessId, Result, Store, Wakeup};

use super::Runtime;
use crate::agent::{self, Agent, AgentTurn, Parts};
use crate::faults::Faults;
use crate::graph::{Engine, Graph, GraphBuilder, State};
use crate::memory::Memory;
use crate::settings::Settings;
use crate::system::{SystemClock, SystemIds};
use crate::wakeup::InProcessWakeup;

/// Assembles a [`Runtime`]. A store, a model and an agent are required.
pub struct Builder {
    pub(super) store: Arc<dyn Store>,
    pub(super) model: Arc<dyn Model>,
    pub(super) agent: Agent,
    pub(super) settings: Settings,
    pub(super) channels: Vec<Arc<dyn Channel>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) wakeup: Arc<dyn Wakeup>,
    pub(super) graph: Wanted,
    pub(super) faults: Faults,
}

/// The graph that turns run.
pub(super) enum Wanted {
    /// The default agent's, changed so.
    Default(Vec<Edit>),
    /// Another.
    Own(Arc<dyn Engine>),
}

pub(super) type Edit = Box<dyn FnOnce(GraphBuilder<AgentTurn>) -> GraphBuilder<AgentTurn> + Send>;

impl Builder {
    pub(super) fn new(store: Arc<dyn Store>, model: Arc<dyn Model>, agent: Agent) -> Self {
        Self {
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
}

pub(super) fn built(parts: Parts, edits: Vec<Edit>) -> Result<Graph<AgentTurn>> {
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
