//! What a runtime is made of, gathered before it starts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tracing::info;
use zupa_core::store::Life;
use zupa_core::{
    Channel, ChannelId, Clock, Desk, Error, EventBus, IdempotencyKeys, Ids, Model, ProcessId,
    Result, Standing, Store, Wakeup,
};

use super::Runtime;
use crate::admission::{MachineLoad, ReadLoad};
use crate::agent::{Agent, AgentTurn};
use crate::faults::Faults;
use crate::graph::{Engine, Graph, GraphBuilder, State};
use crate::quiet::QuietHours;
use crate::resilience::{GuardedDesk, GuardedKeys, GuardedStore};
use crate::settings::Settings;
use crate::steady::Steady;
use crate::system::{SystemClock, SystemIds};
use crate::telemetry;
use crate::wakeup::InProcessWakeup;

/// Assembles a [`Runtime`]. A store, a model and an agent are required.
pub struct Builder {
    pub(super) store: Arc<dyn Store>,
    pub(super) models: Vec<Arc<dyn Model>>,
    pub(super) desk: Option<Arc<dyn Desk>>,
    pub(super) keys: Option<Arc<dyn IdempotencyKeys>>,
    pub(super) agent: Agent,
    pub(super) settings: Settings,
    pub(super) channels: Vec<Arc<dyn Channel>>,
    pub(super) quiet: HashMap<ChannelId, QuietHours>,
    pub(super) standings: Vec<Standing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) wakeup: Arc<dyn Wakeup>,
    pub(super) bus: EventBus,
    pub(super) edits: Vec<Edit>,
    pub(super) own: Option<Own>,
    pub(super) read_load: Option<ReadLoad>,
    pub(super) faults: Faults,
}

/// A graph of one's own.
pub(super) struct Own {
    name: String,
    pub(super) engine: Arc<dyn Engine>,
}

/// A change of the default agent's graph.
pub(super) type Edit = Box<dyn FnOnce(GraphBuilder<AgentTurn>) -> GraphBuilder<AgentTurn> + Send>;

impl Builder {
    pub(super) fn new(store: Arc<dyn Store>, model: Arc<dyn Model>, agent: Agent) -> Self {
        Self {
            store,
            models: vec![model],
            desk: None,
            keys: None,
            agent,
            settings: Settings::default(),
            channels: Vec::new(),
            quiet: HashMap::new(),
            standings: Vec::new(),
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(SystemIds),
            wakeup: Arc::new(InProcessWakeup::default()),
            bus: EventBus::default(),
            edits: Vec::new(),
            own: None,
            read_load: None,
            faults: Faults::default(),
        }
    }

    /// Changes the default agent's graph: replaces, wraps and inserts nodes. It cannot
    /// stand together with [`Self::graph`].
    pub fn edit(
        mut self,
        edit: impl FnOnce(GraphBuilder<AgentTurn>) -> GraphBuilder<AgentTurn> + Send + 'static,
    ) -> Self {
        self.edits.push(Box::new(edit));
        self
    }

    /// Runs another graph instead of the default agent's. It cannot stand together with
    /// [`Self::edit`]: a graph of one's own is changed where it is built.
    pub fn graph<S: State>(mut self, graph: Graph<S>) -> Self {
        self.own = Some(Own {
            name: graph.name().to_owned(),
            engine: Arc::new(graph),
        });
        self
    }

    /// Adds a model that is asked where those before it cannot answer: after an error
    /// about their provider, an open breaker among them.
    pub fn fallback_model(mut self, model: Arc<dyn Model>) -> Self {
        self.models.push(model);
        self
    }

    /// Adds a door. Ids are unique; a later door replaces an earlier one.
    pub fn channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channels.push(channel);
        self
    }

    /// Has a channel keep quiet at times: what nobody has asked for, and what an operator
    /// tries again, waits until they are over; replies leave. Only where a send is asked for
    /// first ([`zupa_core::Capabilities::has_preconditions`]).
    pub fn quiet_hours(mut self, channel: ChannelId, hours: QuietHours) -> Self {
        self.quiet.insert(channel, hours);
        self
    }

    /// Tells the bus each change of how a channel stands, and writes into the audit of the
    /// installation when one is blocked; that needs a desk.
    pub fn standing(mut self, standing: Standing) -> Self {
        self.standings.push(standing);
        self
    }

    /// Lets the runtime count the messages now and then, by the desk of its store, and
    /// say so if one is missing; forget dead letters that ended long ago; and take the
    /// decisions of operators by chat ([`Agent::operator_at`]).
    pub fn desk(mut self, desk: Arc<dyn Desk>) -> Self {
        self.desk = Some(desk);
        self
    }

    /// Lets the runtime forget idempotency keys whose time is over.
    pub fn idempotency_keys(mut self, keys: Arc<dyn IdempotencyKeys>) -> Self {
        self.keys = Some(keys);
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

    /// Tells what happens to another bus, whose subscribers are there before the first
    /// event. If nobody drives it, the runtime does, until it is shut down.
    pub fn bus(mut self, bus: EventBus) -> Self {
        self.bus = bus;
        self
    }

    /// Has the process watch how much of the machine it takes, for
    /// [`Settings::cpu_percent`] and [`Settings::memory_percent`]. Asked once a poll, on
    /// a thread of the runtime: it should answer at once.
    pub fn machine_load(mut self, read: impl FnMut() -> MachineLoad + Send + 'static) -> Self {
        self.read_load = Some(Box::new(read));
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
    /// tool, a policy, a period or a type of reply that is wrong, for [`Agent::admin`] where
    /// there are several doors, for operators without a desk, for a command that is none,
    /// and for [`Self::edit`] together with [`Self::graph`].
    pub async fn start(mut self) -> Result<Runtime> {
        self.agent.check()?;
        self.settings.check()?;
        self.agent.place_admins(&self.channels)?;
        if self.agent.decides() && self.desk.is_none() {
            return Err(Error::invalid(
                "operators decide by chat over the store's desk: name it with Builder::desk",
            ));
        }
        self.one_graph()?;
        self.clock = Arc::new(Steady::new(self.clock, self.bus.clone()));
        let timeout = self.settings.policies.store.timeout;
        self.store = Arc::new(GuardedStore::new(self.store, timeout));
        let desk = self.desk.take();
        self.desk = desk.map(|desk| Arc::new(GuardedDesk::new(desk, timeout)) as Arc<dyn Desk>);
        let keys = self.keys.take();
        self.keys = keys.map(|keys| Arc::new(GuardedKeys::new(keys, timeout)) as _);
        let process = ProcessId(self.ids.fresh());
        let now = self.clock.wall();
        let life = Life {
            process,
            now,
            expires_at: now.plus(self.settings.claim_expiry),
            stale: 0,
        };
        let began = self.clock.monotonic();
        let recovery = self.store.recover(life).await?;
        let backlog = Arc::new(AtomicU64::new(self.store.backlog().await?));
        let took = self.clock.monotonic().saturating_sub(began);
        self.bus.emit(telemetry::recovered(&recovery, took));
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

    fn one_graph(&self) -> Result<()> {
        match &self.own {
            Some(own) if !self.edits.is_empty() => Err(Error::invalid(
                "`Builder::edit` changes the default agent's graph, and `Builder::graph` \
                 names another one; keep one of the two",
            )
            .with("graph", &own.name)
            .with("edits", self.edits.len())),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Builder({})", self.agent.name)
    }
}
