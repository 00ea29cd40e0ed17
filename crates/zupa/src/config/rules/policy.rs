//! Rules for policies and limits: what of their numbers fits together, and whose they are.

use super::super::problem::{Flaw, Origin, Problem};
use super::super::{Config, RetriedPolicy, suggest};
use super::Rules;

/// What the path of a single tool's policy begins with.
const NAMED: &str = "policy.tools.";

/// The tool that `agent.session.model_ends` adds.
const END_SESSION: &str = "end_session";

impl Rules<'_> {
    /// Waits grow from the base to the cap.
    pub(super) fn backoffs(&mut self) {
        let policy = &self.config.policy;
        let others = [
            ("model", policy.model.base_ms, policy.model.cap_ms),
            ("channel", policy.channel.base_ms, policy.channel.cap_ms),
            ("turn", policy.turn.base_ms, policy.turn.cap_ms),
        ];
        let others = others.map(|(port, base, cap)| (port.to_owned(), base, cap));
        let retried = self.retried().into_iter();
        let retried = retried.map(|(port, policy)| (port, policy.base_ms, policy.cap_ms));
        for (port, base, cap) in others.into_iter().chain(retried) {
            let keys = ["base_ms", "cap_ms"].map(|key| format!("policy.{port}.{key}"));
            if base > cap {
                let flaw = Flaw::new(
                    format!("base_ms, {base}, is more than cap_ms, {cap}"),
                    "the wait before a retry grows from base_ms to cap_ms",
                    "lower base_ms or raise cap_ms",
                );
                self.report_pair(keys.each_ref().map(String::as_str), flaw);
            }
        }
    }

    /// A try fits into the time of all of them.
    pub(super) fn total_timeouts(&mut self) {
        let model = &self.config.policy.model;
        let model = ("model".to_owned(), model.timeout_ms, model.total_timeout_ms);
        let retried = self.retried().into_iter();
        let retried =
            retried.map(|(port, policy)| (port, policy.timeout_ms, policy.total_timeout_ms));
        for (port, one, all) in std::iter::once(model).chain(retried) {
            let keys = ["timeout_ms", "total_timeout_ms"].map(|key| format!("policy.{port}.{key}"));
            if let Some(all) = all.filter(|all| one > *all) {
                let flaw = Flaw::new(
                    format!("timeout_ms, {one}, is more than total_timeout_ms, {all}"),
                    "no try could take as long as it may",
                    "lower timeout_ms or raise total_timeout_ms",
                );
                self.report_pair(keys.each_ref().map(String::as_str), flaw);
            }
        }
    }

    /// The first byte comes within the try. Where only the try was made shorter, it ends
    /// the wait.
    pub(super) fn first_byte(&mut self) {
        let keys = [
            "policy.model.first_byte_timeout_ms",
            "policy.model.timeout_ms",
        ];
        let model = &self.config.policy.model;
        let (first, whole) = (model.first_byte_timeout_ms, model.timeout_ms);
        if first > whole && *self.config.origin(keys[0]) != Origin::Default {
            let flaw = Flaw::new(
                format!("first_byte_timeout_ms, {first}, is more than timeout_ms, {whole}"),
                "the try would be over before its first byte is late",
                "lower first_byte_timeout_ms or raise timeout_ms",
            );
            self.report_pair(keys, flaw);
        }
    }

    /// A try of the model fits into the turn.
    pub(super) fn model_within_turn(&mut self) {
        let keys = ["policy.turn.timeout_ms", "policy.model.timeout_ms"];
        let policy = &self.config.policy;
        let (turn, model) = (policy.turn.timeout_ms, policy.model.timeout_ms);
        if model > turn {
            let [turn_key, model_key] = keys;
            let flaw = Flaw::new(
                format!("{turn_key}, {turn}, is less than {model_key}, {model}"),
                "the turn would be over before the model may take as long as it may",
                format!("raise {turn_key} or lower {model_key}"),
            );
            self.report_pair(keys, flaw);
        }
    }

    /// A person is not allowed more than everybody together; 0 sets no limit.
    pub(super) fn rates(&mut self) {
        let keys = ["limits.per_user_per_minute", "limits.per_tenant_per_minute"];
        let limits = &self.config.limits;
        let (person, tenant) = (limits.per_user_per_minute, limits.per_tenant_per_minute);
        if tenant > 0 && person > tenant {
            let flaw = Flaw::new(
                format!(
                    "per_user_per_minute, {person}, is more than per_tenant_per_minute, {tenant}"
                ),
                "nobody could write as much as one person may",
                "lower per_user_per_minute or raise per_tenant_per_minute",
            );
            self.report_pair(keys, flaw);
        }
    }

    /// A policy is of a tool that there is. What servers offer shows when they are started,
    /// so a name that may be one of theirs is left to the start.
    pub(super) fn named_tools(&mut self) {
        if !self.sound(&["policy.tools", "http_tool", "mcp"]) {
            return;
        }
        let config = self.config;
        let mut known: Vec<_> = config.http_tools.iter().map(|tool| &*tool.name).collect();
        if config.agent.session.model_ends {
            known.push(END_SESSION);
        }
        let is_servers = |problem: &Problem| {
            let name = problem.key.strip_prefix(NAMED).unwrap_or_default();
            let mut servers = config.mcp.iter();
            servers.any(|server| name.starts_with(&format!("{}_", server.name)))
        };
        let unknown = config.unknown_tools(&known).into_iter();
        self.broken
            .extend(unknown.filter(|problem| !is_servers(problem)));
    }

    /// The ports that have the keys of a tool, by their names behind `policy.`.
    fn retried(&self) -> Vec<(String, RetriedPolicy)> {
        let policy = &self.config.policy;
        let ports = [
            ("tool", &policy.tool),
            ("transcriber", &policy.transcriber),
            ("synthesizer", &policy.synthesizer),
        ];
        let ports = ports.map(|(port, policy)| (port.to_owned(), policy.clone()));
        let tools = policy.tools.iter();
        let tools = tools.map(|(name, policy)| (format!("tools.{name}"), policy.clone()));
        ports.into_iter().chain(tools).collect()
    }

    fn report_pair(&mut self, keys: [&str; 2], flaw: Flaw) {
        if self.sound(&keys) {
            self.report(self.later_set(keys), flaw);
        }
    }
}

impl Config {
    /// What is wrong with `[policy.tools.NAME]`, where these are all tools.
    pub fn unknown_tools(&self, known: &[&str]) -> Vec<Problem> {
        let named = self.policy.tools.keys();
        let unknown = named.filter(|name| !known.contains(&name.as_str()));
        let flawed = |name: &String| {
            let fix = match suggest::closest(name, known.iter().copied()) {
                Some(tool) => format!("did you mean `{tool}`?"),
                None => "name a tool as the model is told of it, or remove the section".to_owned(),
            };
            let why = "a policy of its own would have no effect";
            let key = format!("{NAMED}{name}");
            let origin = self.origin(&key).clone();
            Flaw::new("there is no tool of this name", why, fix).at(origin, key)
        };
        unknown.map(flawed).collect()
    }
}
