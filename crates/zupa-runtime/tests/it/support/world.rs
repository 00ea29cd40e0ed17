//! A world: what outlives a process ([`Setup`]), and one process in it
//! ([`World`]).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use zupa_core::desk::{Accounting, Speaker, TurnView};
use zupa_core::{
    Address, Alias, ChannelId, Clock, Content, Correlation, Deduplicates, Delivered, Desk, Error,
    ErrorKind, Inbound, IntakeBatch, Number, PlatformId, Result, TenantId, Timestamp, Wakeup,
};
use zupa_runtime::resilience::{Backoff, CallPolicy, Jitter, Policies, TurnRetries};
use zupa_runtime::{Agent, Builder, Drained, Runtime, Settings};
use zupa_testkit::{FaultyStore, MemoryStore, RecordingChannel, SeqIds, TokioClock};

use super::held_up::{HeldUp, Touchy};
use super::life::pass;
use super::puppet::{Puppet, shared};
use super::records_first::RecordsFirst;

/// The door of most tests.
pub const DOOR: &str = "door";
/// A step of waiting for quiet, and how long it is waited for.
const STEP: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What outlives a process, and how the next one is to be started.
#[derive(Clone)]
pub struct Setup {
    pub memory: MemoryStore,
    pub model: Arc<Puppet>,
    pub doors: Vec<Arc<RecordingChannel>>,
    pub agent: Agent,
    pub settings: Settings,
    pub wakeup: Option<Arc<dyn Wakeup>>,
    /// Stands in front of the first door, if there.
    pub touchy: Option<Arc<Touchy>>,
    /// Moves the clock that this process measures with.
    pub held_up: HeldUp,
    ids: SeqIds,
    wall: Arc<Mutex<Timestamp>>,
}

/// Says nothing of itself when the model's provider fails, which most tests do not look
/// for.
fn quiet_agent() -> Agent {
    let mut agent = Agent::new("tester", "");
    agent.language.model_down.clear();
    agent
}

impl Setup {
    /// A door whose readers read the outbox: the commit is the delivery.
    pub fn web() -> Self {
        Self::with(door(DOOR, Deduplicates::ByKey).at_commit())
    }

    /// A door that is sent to.
    pub fn phone(deduplicates: Deduplicates) -> Self {
        Self::with(door(DOOR, deduplicates))
    }

    /// Any door.
    pub fn with(door: RecordingChannel) -> Self {
        Self {
            memory: MemoryStore::new(),
            model: shared(),
            doors: vec![Arc::new(door)],
            agent: quiet_agent(),
            settings: Settings {
                policies: bare(),
                ..Settings::default()
            },
            wakeup: None,
            touchy: None,
            held_up: HeldUp::default(),
            ids: SeqIds::default(),
            wall: Arc::new(Mutex::new(Timestamp(1_767_225_600_000_000))),
        }
    }

    /// Looks around, tidies up and shows signs of life seldom, for tests in which days
    /// go by.
    pub fn patient(mut self) -> Self {
        self.settings.checkpoint = secs(20);
        (self.settings.poll, self.settings.heartbeat) = (secs(20), secs(20));
        self.settings.claim_expiry = secs(100);
        self
    }

    /// The same store for several processes at once.
    pub fn replicated(mut self) -> Self {
        self.memory = MemoryStore::replicated();
        self
    }

    /// The same world, as another process sees it: with a clock and a wakeup of
    /// its own.
    pub fn another(&self) -> Self {
        Self {
            touchy: None,
            held_up: HeldUp::default(),
            wakeup: None,
            ..self.clone()
        }
    }

    /// Time goes by while no process is there.
    pub fn goes_by(&self, time: Duration) {
        let mut wall = self.wall.lock().unwrap();
        *wall = wall.plus(time);
    }

    /// Starts a process over this store, in the current tokio runtime.
    pub async fn start(&self) -> World {
        self.start_over(FaultyStore::new(Arc::new(self.memory.clone())))
            .await
    }

    /// The same, with a builder that was changed.
    pub async fn start_with(&self, change: impl FnOnce(Builder) -> Builder) -> World {
        let store = Arc::new(FaultyStore::new(Arc::new(self.memory.clone())));
        self.try_start_with(store, change).await.unwrap()
    }

    /// The same, with faults planned for the start itself.
    pub async fn start_over(&self, store: FaultyStore) -> World {
        self.try_start(Arc::new(store)).await.unwrap()
    }

    /// The same, over a store of one's own and with a builder that was changed.
    pub async fn start_over_with(
        &self,
        store: Arc<FaultyStore>,
        change: impl FnOnce(Builder) -> Builder,
    ) -> World {
        self.try_start_with(store, change).await.unwrap()
    }

    /// The same, where the start may fail.
    pub async fn try_start(&self, store: Arc<FaultyStore>) -> Result<World> {
        self.try_start_with(store, |builder| builder).await
    }

    /// Both of that.
    pub async fn try_start_with(
        &self,
        store: Arc<FaultyStore>,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Result<World> {
        let clock = TokioClock::at(*self.wall.lock().unwrap());
        let mut builder = Runtime::builder(
            Arc::new(RecordsFirst(store.clone())),
            self.model.clone(),
            self.agent.clone(),
        )
        .settings(self.settings.clone())
        .clock(Arc::new(self.held_up.clock(clock.clone())))
        .ids(Arc::new(self.ids.clone()));
        for door in &self.doors {
            builder = builder.channel(door.clone());
        }
        if let Some(touchy) = &self.touchy {
            builder = builder.channel(touchy.clone());
        }
        if let Some(wakeup) = &self.wakeup {
            builder = builder.wakeup(wakeup.clone());
        }
        let runtime = change(builder).start().await?;
        Ok(World {
            runtime: Some(runtime),
            store,
            clock,
            setup: self.clone(),
        })
    }

    pub fn door(&self) -> &RecordingChannel {
        &self.doors[0]
    }

    /// Where every message stands.
    pub async fn accounting(&self) -> Accounting {
        let counts = self.memory.accounting().await.unwrap();
        assert!(counts.is_balanced(), "invariant 7: {counts:?}");
        counts
    }

    /// What became of a message.
    pub async fn view(&self, id: &str) -> TurnView {
        self.memory.turn(id).await.unwrap().unwrap()
    }

    /// The committed lines of a conversation, in order: `who: text` for the
    /// person, `⇒ text` for the agent.
    pub async fn lines(&self, who: &str) -> Vec<String> {
        let address = address(DOOR, who);
        let lines = self.memory.lines(&address, Number(0), usize::MAX).await;
        lines
            .unwrap()
            .into_iter()
            .map(|line| match line.from {
                Speaker::Person(_) => format!("{who}: {}", line.text),
                Speaker::Agent(_) => format!("⇒ {}", line.text),
            })
            .collect()
    }

    /// What the agent has said to someone, in order, as committed.
    pub async fn replies(&self, who: &str) -> Vec<String> {
        let mut lines = self.lines(who).await;
        lines.retain(|line| line.starts_with('⇒'));
        lines
            .iter()
            .map(|line| line.trim_start_matches("⇒ ").to_owned())
            .collect()
    }

    /// What went over the wire and was taken, in order.
    pub fn visible(&self) -> Vec<String> {
        let visible = self.door().visible();
        let text = |sent: &zupa_core::Outgoing| sent.content.as_prompt_text();
        visible.iter().map(text).collect()
    }
}

/// One process. Its last breath moves the wall clock of the next one.
pub struct World {
    runtime: Option<Runtime>,
    pub store: Arc<FaultyStore>,
    pub clock: TokioClock,
    setup: Setup,
}

impl std::ops::Deref for World {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl World {
    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    /// Ends the process in good order.
    pub async fn shutdown(&mut self, deadline: Duration) -> Result<Drained> {
        self.runtime.take().unwrap().shutdown(deadline).await
    }

    /// Hands one message in and waits for the answer.
    pub async fn deliver(&self, inbound: Inbound) -> Result<Delivered> {
        let batch = IntakeBatch {
            inbounds: vec![inbound],
            receipts: Vec::new(),
        };
        self.runtime().intake().deliver(batch).await?.remove(0)
    }

    /// Hands a text in, which must be taken; its id is the text itself.
    pub async fn say(&self, who: &str, text: &str) {
        let told = self.deliver(inbound(who, text, text)).await.unwrap();
        assert!(matches!(told, Delivered::Accepted { .. }), "{told:?}");
    }

    /// Waits until every message has ended and every delivery is settled.
    pub async fn quiet(&self) {
        let mut waited = Duration::ZERO;
        while !self.is_quiet().await {
            assert!(
                waited < PATIENCE,
                "never quiet: {:?}",
                self.accounting().await
            );
            pass(STEP).await;
            waited += STEP;
        }
    }

    pub async fn is_quiet(&self) -> bool {
        let counts = self.accounting().await;
        let waits = ["queued", "sending", "retry", "in_doubt"];
        let waiting = waits
            .iter()
            .any(|state| counts.deliveries.contains_key(*state));
        counts.open.is_empty() && !waiting
    }
}

impl Drop for World {
    fn drop(&mut self) {
        *self.setup.wall.lock().unwrap() = self.clock.wall();
    }
}

/// Policies of one try within a turn and without breakers, so that a test counts what it
/// planned. Rows are tried again as ever.
fn bare() -> Policies {
    let policies = Policies::default();
    let bare = |policy: CallPolicy| CallPolicy {
        retries: 0,
        breaker: None,
        backoff: Backoff {
            jitter: Jitter::Ratio(0.5),
            ..policy.backoff
        },
        ..policy
    };
    Policies {
        model: bare(policies.model),
        tool: bare(policies.tool),
        transcriber: bare(policies.transcriber),
        synthesizer: bare(policies.synthesizer),
        channel: bare(policies.channel),
        turn: TurnRetries {
            backoff: Backoff {
                jitter: Jitter::Ratio(0.5),
                ..policies.turn.backoff
            },
            ..policies.turn
        },
        ..policies
    }
}

/// A door that records.
pub fn door(id: &str, deduplicates: Deduplicates) -> RecordingChannel {
    let tenant = TenantId::default_tenant();
    RecordingChannel::new(ChannelId::parse(id).unwrap(), tenant, deduplicates)
}

/// A message, through the door of most tests.
pub fn inbound(who: &str, id: &str, text: &str) -> Inbound {
    Inbound {
        address: address(DOOR, who),
        also: Vec::new(),
        speaker: None,
        platform_id: Some(PlatformId::parse(id).unwrap()),
        scope: String::new(),
        platform_time: None,
        content: Content::text(text),
        raw: None,
        correlation: Correlation::default(),
    }
}

fn address(door: &str, who: &str) -> Address {
    Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse(door).unwrap(),
        alias: Alias::parse(who).unwrap(),
    }
}

/// An error of a kind, for doubles to fail with.
pub fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "as the test wants it")
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
