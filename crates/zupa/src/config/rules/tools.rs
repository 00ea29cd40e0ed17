//! Rules for tools without code.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::problem::Flaw;
use super::super::{HttpTool, Mcp, ToolEffect};
use super::Rules;

impl Rules<'_> {
    pub(super) fn http_tools(&mut self) {
        let tools = &self.config.http_tools;
        if tools.is_empty() || !self.sound(&["http_tool"]) {
            return;
        }
        self.feature("http_tool");
        let names = tools.iter().map(|tool| tool.name.as_str());
        self.unique("http_tool", names, "the model calls a tool by its name");
        for (index, tool) in tools.iter().enumerate() {
            self.http_tool(&format!("http_tool[{index}]"), tool);
        }
    }

    fn http_tool(&mut self, at: &str, tool: &HttpTool) {
        if tool.effect == ToolEffect::Reconcile {
            self.report(&format!("{at}.effect"), no_reconcile());
        }
        let known = |name: &str| {
            tool.parameters
                .pointer(&format!("/properties/{name}"))
                .is_some()
        };
        let required = tool.parameters.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|n| n == name));
        let texts = [("url", Some(&tool.url)), ("confirm", tool.confirm.as_ref())];
        for (key, text) in texts {
            for name in text.into_iter().flat_map(|text| arguments(text)) {
                let flaw = match known(name) {
                    false => Flaw::new(
                        format!("{{{name}}} is no argument of the tool"),
                        "what stands in braces is replaced by an argument of the call",
                        format!("describe {name} in `parameters.properties`"),
                    ),
                    true if key == "url" && !is_required(name) => Flaw::new(
                        format!("{{{name}}} is not required by `parameters`"),
                        "a URL without it leads nowhere",
                        format!("`required = [\"{name}\"]`"),
                    ),
                    true => continue,
                };
                self.report(&format!("{at}.{key}"), flaw);
            }
        }
    }

    pub(super) fn mcp_servers(&mut self) {
        let servers = &self.config.mcp;
        if servers.is_empty() || !self.sound(&["mcp"]) {
            return;
        }
        self.feature("mcp");
        let names = servers.iter().map(|server| server.name.as_str());
        self.unique("mcp", names, "the names of its tools begin with it");
        for (index, server) in servers.iter().enumerate() {
            self.mcp_server(&format!("mcp[{index}]"), server);
        }
    }

    fn mcp_server(&mut self, at: &str, server: &Mcp) {
        let (is_program, is_url) = (!server.command.is_empty(), server.url.is_some());
        if is_program == is_url {
            let what = match is_url {
                true => "both command and url are set",
                false => "neither command nor url is set",
            };
            let flaw = Flaw::new(what, "a server is started or reached", "set one of the two");
            self.report(&format!("{at}.name"), flaw);
        }
        let of_program = !server.env.is_empty() || server.directory.is_some();
        if of_program && !is_program {
            let flaw = Flaw::new(
                "env and directory belong to a command",
                "a server that is reached at a URL is not started",
                "remove them, or set command",
            );
            let key = if server.env.is_empty() {
                "directory"
            } else {
                "env"
            };
            self.report(&format!("{at}.{key}"), flaw);
        }
        if server.bearer.is_some() && !is_url {
            let flaw = Flaw::new(
                "a bearer token belongs to a URL",
                "a program is given its secrets as variables",
                "put it into env",
            );
            self.report(&format!("{at}.bearer"), flaw);
        }
        if server
            .effects
            .values()
            .any(|effect| *effect == ToolEffect::Reconcile)
        {
            self.report(&format!("{at}.effects"), no_reconcile());
        }
        if let Some(tool) = server
            .approve
            .iter()
            .find(|tool| !server.effects.contains_key(*tool))
        {
            let flaw = Flaw::new(
                format!("{tool:?} is not in effects"),
                "a tool without a declared effect needs approval anyway, unless the server is trusted",
                format!("declare its effect, too: `effects = {{ {tool} = \"at_most_once\" }}`"),
            );
            self.report(&format!("{at}.approve"), flaw);
        }
        let is_digest = |pin: &str| pin.len() == 64 && pin.bytes().all(|b| b.is_ascii_hexdigit());
        if let Some((tool, _)) = server.pins.iter().find(|(_, pin)| !is_digest(pin)) {
            let flaw = Flaw::new(
                format!("the pin of {tool:?} is no SHA-256 in hexadecimal"),
                "a pin has 64 digits of 0-9 and a-f",
                "copy it from the log of a start without the pin",
            );
            self.report(&format!("{at}.pins"), flaw);
        }
    }

    fn unique<'a>(&mut self, list: &str, names: impl Iterator<Item = &'a str>, why: &str) {
        let mut seen = BTreeMap::new();
        for (index, name) in names.enumerate() {
            let path = format!("{list}[{index}].name");
            if let Some(first) = seen.insert(name, path.clone()) {
                let place = self.config.origin(&first);
                let what = format!("{name:?} is the name of another one ({place})");
                let flaw = Flaw::new(what, why, "give each a name of its own");
                self.report(&path, flaw);
            }
        }
    }

    /// Asks for the feature that can do it.
    fn feature(&mut self, key: &str) {
        if cfg!(feature = "mcp") {
            return;
        }
        let flaw = Flaw::new(
            "this zupa was built without the feature mcp",
            "it knows no tools that are configured",
            format!(
                "build it with the feature, as in `cargo install zupa --features mcp`, \
                 or leave `[[{key}]]` out"
            ),
        );
        self.report(key, flaw);
    }
}

fn no_reconcile() -> Flaw {
    Flaw::new(
        "\"reconcile\" is not possible here",
        "it needs code that asks the other side what became of a call",
        "`idempotent` if the other side knows repeated calls, else `at_most_once`",
    )
}

/// What stands in braces in a text.
fn arguments(text: &str) -> impl Iterator<Item = &str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}
