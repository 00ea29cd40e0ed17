//! The configuration of the binary: flag > environment > file > default.
//!
//! Reads nothing itself: `main` hands the file's text, the environment and the
//! flags to [`load`] as values, and gets a [`Config`] or every problem at once.
//!
//! Reading order: what can be set (`table`, in the words of [`keys`]), how the
//! layers are put on each other ([`load`]), how one is read (`read`, `text`), how
//! a value is checked (`value`, `url`, `suggest`), the rules between keys
//! (`rules`), and what is shown of it all (`show`, [`schema`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod agent;
mod doors;
mod keeping;
pub mod keys;
mod load;
mod place;
mod policy;
mod problem;
pub mod quiet;
mod read;
mod rules;
pub mod schema;
mod secret;
mod show;
mod speech;
mod store;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tools;
mod url;
mod value;

pub use agent::{
    Agent, Burst, Commands, FallbackModel, GiveUp, Journal, Language, Model, OnModelDown, Operator,
    Provider, Session, Structured, Texts, Waits,
};
pub use doors::{Channel, ChannelKind, Limits, OnUnknown, Server, WebChat, WindowClosed};
pub use keeping::{DeadLetters, Idempotency, LogFormat, Retention, Shutdown, Telemetry};
pub use load::{Sources, load};
pub use policy::{
    Breaker, CallPolicy, ChannelPolicy, Full, Jitter, ModelPolicy, Policies, RetriedPolicy,
    TurnPolicy,
};
pub use problem::{Origin, Problem};
pub use secret::SecretText;
pub use show::Row;
pub use speech::{AudioFormat, Modality, Synthesizer, Transcriber};
pub use store::{Durability, Engine, Store, StoreUrl};
pub use tools::{HttpTool, Mcp, Method, ToolEffect};

/// How careful the process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A developer's machine: open web chat, literal secrets with a warning.
    #[default]
    Dev,
    /// Between the two: the defaults of `dev`, meant to be set up as `prod`.
    Staging,
    /// Refuses unsafe settings.
    Prod,
}

/// Everything that can be set, and where each value came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How careful the process is. Default `dev`; `ZUPA__PROFILE`.
    pub profile: Profile,
    /// The one port, `[server]`.
    pub server: Server,
    /// The truth, `[store]`.
    pub store: Store,
    /// Who answers, `[agent]`.
    pub agent: Agent,
    /// What the agent thinks with, `[model]`.
    pub model: Model,
    /// What it hears with, `[transcriber]`.
    pub transcriber: Transcriber,
    /// What it speaks with, `[synthesizer]`.
    pub synthesizer: Synthesizer,
    /// The doors, `[[channel]]`. Default one web chat `main`; `ZUPA__CHANNEL`.
    #[serde(rename = "channel")]
    pub channels: Vec<Channel>,
    /// Tools that are one HTTP request, `[[http_tool]]`. None by default;
    /// `ZUPA__HTTP_TOOL`.
    #[serde(rename = "http_tool")]
    pub http_tools: Vec<HttpTool>,
    /// Servers of tools, `[[mcp]]`. None by default; only the file can set it.
    pub mcp: Vec<Mcp>,
    /// Deadlines and retries per port, `[policy.*]`.
    pub policy: Policies,
    /// What may be under way at once, `[limits]`.
    pub limits: Limits,
    /// How long ended rows are kept, `[retention]`.
    pub retention: Retention,
    /// How long dead letters are kept, `[dlq]`.
    pub dlq: DeadLetters,
    /// How long answers of operators' acts are kept, `[idempotency]`.
    pub idempotency: Idempotency,
    /// The web chat beside its channels, `[web_chat]`.
    pub web_chat: WebChat,
    /// How the process ends, `[shutdown]`.
    pub shutdown: Shutdown,
    /// What the process tells, `[telemetry]`.
    pub telemetry: Telemetry,
    /// By path as in `channel[0].id`; a path that is absent has its default.
    #[serde(skip)]
    origins: BTreeMap<String, Origin>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            server: Server::default(),
            store: Store::default(),
            agent: Agent::default(),
            model: Model::default(),
            transcriber: Transcriber::default(),
            synthesizer: Synthesizer::default(),
            channels: vec![Channel::default()],
            http_tools: Vec::new(),
            mcp: Vec::new(),
            policy: Policies::default(),
            limits: Limits::default(),
            retention: Retention::default(),
            dlq: DeadLetters::default(),
            idempotency: Idempotency::default(),
            web_chat: WebChat::default(),
            shutdown: Shutdown::default(),
            telemetry: Telemetry::default(),
            origins: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Where the value at a path (`store.url`, `channel[0].id`) came from.
    pub fn origin(&self, path: &str) -> &Origin {
        const DEFAULT: &Origin = &Origin::Default;
        self.origins.get(path).unwrap_or(DEFAULT)
    }

    /// Administrators, each by the channel that they write from and their alias there.
    pub fn admins(&self) -> impl Iterator<Item = (&Channel, &str)> {
        let admins = self.agent.admins.iter();
        admins.filter_map(|admin| self.place(admin))
    }

    /// Operators who decide by chat, each by name, and by a channel that they write from
    /// and their alias there.
    pub fn operators(&self) -> impl Iterator<Item = (&str, &Channel, &str)> {
        self.agent.operators.iter().flat_map(|operator| {
            let places = operator.at.iter().filter_map(|at| self.place(at));
            places.map(|(channel, alias)| (operator.name.as_str(), channel, alias))
        })
    }

    fn place<'c>(&'c self, at: &'c str) -> Option<(&'c Channel, &'c str)> {
        let Some((id, alias)) = at.split_once('/') else {
            // A check refuses it where there are several.
            return Some((self.channels.first()?, at));
        };
        let named = self.channels.iter().find(|channel| channel.id == id);
        Some((named?, alias))
    }

    /// What does not stop the start but should be seen at it.
    pub fn warnings(&self) -> Vec<Problem> {
        rules::warnings(self)
    }
}
