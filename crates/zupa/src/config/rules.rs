//! The rules between keys: what may not stand together, and what `prod` refuses.

mod channels;
mod people;
mod phones;
mod policy;
mod speech;
mod tools;
mod whatsapp;

use std::collections::BTreeMap;

use zupa_core::SecretRef;

use super::problem::{Flaw, Problem};
use super::{ChannelKind, Config, Engine, Profile, Provider};

/// The rules that a configuration breaks. A rule is skipped where a key that it
/// reads already has a problem: its value is then only the default.
pub(super) fn broken(config: &Config, problems: &[Problem]) -> Vec<Problem> {
    let mut rules = Rules {
        config,
        problems,
        broken: Vec::new(),
    };
    rules.one_prompt();
    rules.burst();
    rules.prices();
    rules.fallback_models();
    rules.claim_expiry();
    rules.one_password();
    rules.backoffs();
    rules.total_timeouts();
    rules.first_byte();
    rules.model_within_turn();
    rules.rates();
    rules.named_tools();
    rules.channel_ids();
    rules.channels();
    rules.admins();
    rules.operators();
    rules.commands();
    rules.modality();
    rules.speech_without_provider();
    rules.http_tools();
    rules.mcp_servers();
    rules.prod();
    rules.broken
}

/// What is allowed and should be seen.
pub(super) fn warnings(config: &Config) -> Vec<Problem> {
    let mut rules = Rules {
        config,
        problems: &[],
        broken: Vec::new(),
    };
    rules.open_listen();
    rules.open_admins();
    rules.open_operators();
    rules.unused_synthesizer();
    rules.deaf_numbers();
    if config.profile != Profile::Prod {
        rules.literals();
        rules.memory();
    }
    rules.broken
}

struct Rules<'a> {
    config: &'a Config,
    problems: &'a [Problem],
    broken: Vec<Problem>,
}

impl Rules<'_> {
    fn one_prompt(&mut self) {
        let agent = &self.config.agent;
        if agent.prompt.is_some() && agent.prompt_file.is_some() {
            let other = self.config.origin("agent.prompt");
            let what = format!("agent.prompt is set, too ({other})");
            let flaw = Flaw::new(what, "there is one system prompt", "keep one of the two");
            self.report("agent.prompt_file", flaw);
        }
    }

    fn prices(&mut self) {
        let (model, limits) = (&self.config.model, &self.config.limits);
        let keys = ["model.price_in", "model.price_out"];
        let costs = limits.turn_cost.is_some_and(|most| most > 0.0);
        let unset = match (model.price_in, model.price_out) {
            (Some(_), Some(_)) => return,
            (None, None) if !costs => return,
            (None, _) => keys[0],
            (Some(_), None) => keys[1],
        };
        if !self.sound(&keys) || !self.sound(&["limits.turn_cost"]) {
            return;
        }
        let flaw = Flaw::new(
            format!("{unset} is not set"),
            "a turn's cost is that of its prompts and of its answers",
            "set both prices for a million tokens, 0 for what costs nothing",
        );
        let reported = match (costs, unset) {
            (true, _) => "limits.turn_cost",
            (false, "model.price_in") => keys[1],
            (false, _) => keys[0],
        };
        self.report(reported, flaw);
    }

    fn fallback_models(&mut self) {
        if !self.sound(&["model.fallback"]) {
            return;
        }
        for (index, model) in self.config.model.fallback.iter().enumerate() {
            if model.provider == Provider::Openai && model.name.is_none() {
                let flaw = Flaw::new(
                    "the model has no name",
                    "the provider has to know which one is meant",
                    "set `name`, as the provider spells it",
                );
                self.report(&format!("model.fallback[{index}].provider"), flaw);
            }
        }
    }

    fn burst(&mut self) {
        let burst = &self.config.agent.burst;
        let keys = ["agent.burst.silence_ms", "agent.burst.max_wait_ms"];
        if self.sound(&keys) && burst.silence_ms > burst.max_wait_ms {
            let flaw = Flaw::new(
                format!(
                    "{} is more than max_wait_ms, {}",
                    burst.silence_ms, burst.max_wait_ms
                ),
                "a burst would never end by silence",
                "lower silence_ms or raise max_wait_ms",
            );
            self.report(self.later_set(keys), flaw);
        }
    }

    // One late heartbeat must not cost a process its claims.
    fn claim_expiry(&mut self) {
        let store = &self.config.store;
        let keys = ["store.heartbeat_ms", "store.claim_expiry_ms"];
        if self.sound(&keys) && store.claim_expiry_ms < 2 * store.heartbeat_ms {
            let (expiry, heartbeat) = (store.claim_expiry_ms, store.heartbeat_ms);
            let flaw = Flaw::new(
                format!("claim_expiry_ms, {expiry}, is less than twice heartbeat_ms, {heartbeat}"),
                "one late sign of life would hand the claims of a living process to others",
                "keep claim_expiry_ms at five times heartbeat_ms",
            );
            self.report(self.later_set(keys), flaw);
        }
    }

    fn one_password(&mut self) {
        let store = &self.config.store;
        let keys = ["store.url", "store.password"];
        if self.sound(&keys) && store.url.has_password() && store.password.is_some() {
            let flaw = Flaw::new(
                "there is a password in store.url, too",
                "nobody can tell which of the two is meant",
                "take it out of the URL",
            );
            self.report("store.password", flaw);
        }
    }

    fn channel_ids(&mut self) {
        if !self.sound(&["channel"]) {
            return;
        }
        let mut seen = BTreeMap::new();
        for (index, channel) in self.config.channels.iter().enumerate() {
            let path = format!("channel[{index}].id");
            let Some(first) = seen.insert(&channel.id, path.clone()) else {
                continue;
            };
            let flaw = Flaw::new(
                format!(
                    "{:?} is the id of another channel ({})",
                    channel.id,
                    self.config.origin(&first)
                ),
                "the id stands in keys and addresses, so it must be unique",
                "give each channel an id of its own",
            );
            self.report(&path, flaw);
        }
    }

    fn prod(&mut self) {
        if !self.sound(&["profile"]) || self.config.profile != Profile::Prod {
            return;
        }
        self.literals();
        self.memory();
        let web_chat = |kind| kind == ChannelKind::WebChat;
        let open = self
            .config
            .channels
            .iter()
            .any(|channel| web_chat(channel.kind));
        let key = "web_chat.session_secret";
        if open && self.config.web_chat.session_secret.is_none() && self.sound(&["channel", key]) {
            let flaw = Flaw::new(
                "missing, and prod needs it for the web chat",
                "without it anyone may read and write in any conversation",
                "for example `env:ZUPA_SESSION_SECRET`, or have no web-chat channel",
            );
            self.broken
                .push(flaw.at(self.config.origin("profile").clone(), key));
        }
    }

    fn literals(&mut self) {
        let why = "prod refuses it: whoever reads the configuration has the secret";
        if self.sound(&["store.url"]) && self.config.store.url.has_password() {
            let fix = "leave it out of the URL, and name its place in store.password: \
                       `env:NAME`, `file:PATH` or `exec:COMMAND`";
            self.report("store.url", Flaw::new("a password in the URL", why, fix));
        }
        for (path, secret) in self.config.secrets() {
            if matches!(secret, SecretRef::Literal(_)) {
                let fix =
                    "put it elsewhere, and its `env:NAME`, `file:PATH` or `exec:COMMAND` here";
                self.report(&path, Flaw::new("a literal secret", why, fix));
            }
        }
    }

    fn memory(&mut self) {
        if self.sound(&["store.url"]) && self.config.store.url.engine() == Engine::Memory {
            let flaw = Flaw::new(
                "a store in memory: everything is forgotten at the end",
                "prod refuses it: what was acknowledged would be gone with the process",
                "`sqlite://PATH` or `postgres://…`",
            );
            self.report("store.url", flaw);
        }
    }

    fn open_listen(&mut self) {
        let address = self.config.server.listen;
        if address.ip().to_canonical().is_loopback() {
            return;
        }
        let why = match self.config.profile {
            Profile::Dev => "the web chat is open in dev: whoever reaches the port can use it",
            _ => "whoever reaches the port can talk to it, without TLS",
        };
        let fix = "listen on 127.0.0.1 behind a proxy with TLS, or limit who reaches the port";
        let what = format!("{address} is reachable from other machines");
        self.report("server.listen", Flaw::new(what, why, fix));
    }

    fn sound(&self, keys: &[&str]) -> bool {
        let about = |problem: &Problem, key: &str| {
            problem
                .key
                .strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        !self
            .problems
            .iter()
            .any(|problem| keys.iter().any(|key| about(problem, key)))
    }

    // Of two keys that do not fit, the one to point at: the one that was set, or
    // set over the other.
    fn later_set<'k>(&self, keys: [&'k str; 2]) -> &'k str {
        let [one, other] = keys;
        if self.config.origin(one) > self.config.origin(other) {
            one
        } else {
            other
        }
    }

    fn report(&mut self, key: &str, flaw: Flaw) {
        self.broken
            .push(flaw.at(self.config.origin(key).clone(), key));
    }
}
