//! What the routes are made of. The binary fills it in; nothing here reads the
//! environment or a file.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use zupa_core::{ChannelId, Clock, Desk, Digest, EventBus, Ids, Intake, Standing, Wakeup, Webhook};

use crate::breakers::Breakers;
use crate::channels::Codes;
use crate::gate::AllowedHosts;
use crate::idempotency::Idempotency;
use crate::limits::{Limits, Rates};
use crate::metrics::Metrics;
use crate::operator::AdminToken;
use crate::readiness::Readiness;
use crate::web_chat::WebChat;

/// The longest text of one message, in bytes, unless the config says otherwise.
pub const DEFAULT_PAYLOAD_BYTES: usize = 65_536;

/// Everything that [`crate::router()`] needs.
#[derive(Debug)]
pub struct Parts {
    /// Where messages go.
    pub intake: Intake,
    /// What readers and operators see. Best behind a deadline of its own, as
    /// `GuardedDesk` of the runtime is: the routes' is thirty seconds.
    pub desk: Arc<dyn Desk>,
    /// Makes request ids.
    pub ids: Arc<dyn Ids>,
    /// Tells the uptime, and when something was decided.
    pub clock: Arc<dyn Clock>,
    /// Told that a decided conversation can go on; its poll would find it, too.
    pub wakeup: Arc<dyn Wakeup>,
    /// Digest of the configuration in force, for the audit.
    pub config: Digest,
    /// The doors that are open. Routes without a channel lead to the first.
    /// Whoever fills this in decides whether a profile may have an open chat.
    pub chats: Vec<WebChat>,
    /// The doors that platforms post to, each at `/webhooks/` and its channel.
    pub webhooks: Vec<Arc<dyn Webhook>>,
    /// How every channel of the process stands, for operators.
    pub standings: Vec<Standing>,
    /// Whether people develop here.
    pub mode: Mode,
    /// Hosts that requests may name, beside `localhost`, `127.0.0.1` and
    /// `[::1]`: `example.org` for any port, `example.org:8443` for that one.
    pub allowed_hosts: Vec<String>,
    /// How many requests a client may make. By address only where the service is
    /// handed to [`crate::serve()`], or mounted with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub rates: Rates,
    /// The longest text of one message, in bytes of UTF-8.
    pub payload_bytes: usize,
    /// Opens the operator routes. An empty one opens nothing.
    pub admin_token: SecretString,
    /// Does operators' acts once, however often they are sent.
    pub idempotency: Idempotency,
    /// How long a review may be open before it is shown as overdue.
    pub overdue_after: Duration,
    /// Told of requests that are turned away because there are too many.
    pub bus: EventBus,
    /// What `/metrics` says of the process.
    pub metrics: Metrics,
    /// The breakers of the process.
    pub breakers: Breakers,
    /// What `/readyz` says of the process.
    pub readiness: Readiness,
    /// Ends event streams, so that a drain need not wait for their readers.
    pub stop: CancellationToken,
}

/// Whether people develop here.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The simulated phone at `/`, and the events that only it needs: `turn`
    /// and `inbound`.
    Dev(DevInfo),
    /// Neither of them.
    Serve,
}

/// What the simulated phone shows of the process behind it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DevInfo {
    /// The agent's name.
    pub agent: String,
    /// The model in use, in words: `gpt-5-mini at api.openai.com`, or
    /// `the built-in script`.
    pub model: String,
    /// True when the answers come from the built-in script.
    pub scripted: bool,
    /// How to plug in a real model, when there is none.
    pub hint: String,
    /// Where the store lies.
    pub store: String,
}

/// [`Parts`] as the handlers hold them, parsed once.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wakeup: Arc<dyn Wakeup>,
    pub(crate) config: Digest,
    pub(crate) chats: Vec<WebChat>,
    pub(crate) webhooks: Vec<Arc<dyn Webhook>>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) codes: Codes,
    pub(crate) mode: Mode,
    pub(crate) hosts: AllowedHosts,
    pub(crate) limits: Limits,
    pub(crate) payload_bytes: usize,
    pub(crate) admin: AdminToken,
    pub(crate) idempotency: Idempotency,
    pub(crate) overdue_after: Duration,
    pub(crate) bus: EventBus,
    pub(crate) metrics: Metrics,
    pub(crate) breakers: Breakers,
    pub(crate) readiness: Readiness,
    pub(crate) stop: CancellationToken,
    started: Duration,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            started: parts.clock.monotonic(),
            hosts: AllowedHosts::parse(&parts.allowed_hosts),
            limits: Limits::new(parts.rates, &parts.clock),
            admin: AdminToken::new(&parts.admin_token),
            idempotency: parts.idempotency,
            intake: parts.intake,
            desk: parts.desk,
            ids: parts.ids,
            clock: parts.clock,
            wakeup: parts.wakeup,
            config: parts.config,
            chats: parts.chats,
            webhooks: parts.webhooks,
            standings: parts.standings,
            codes: Codes::default(),
            mode: parts.mode,
            payload_bytes: parts.payload_bytes,
            overdue_after: parts.overdue_after,
            bus: parts.bus,
            metrics: parts.metrics,
            breakers: parts.breakers,
            readiness: parts.readiness,
            stop: parts.stop,
        }
    }

    /// The chat of that channel, or the first one.
    pub(crate) fn chat(&self, channel: Option<&str>) -> Option<&WebChat> {
        match channel {
            Some(name) => self
                .chats
                .iter()
                .find(|chat| ChannelId::as_str(chat.channel()) == name),
            None => self.chats.first(),
        }
    }

    pub(crate) fn is_dev(&self) -> bool {
        matches!(self.mode, Mode::Dev(_))
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }
}
