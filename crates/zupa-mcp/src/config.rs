//! What must be told of an MCP server. Only the binary reads files and
//! variables; secrets arrive resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use zupa_core::{Digest, Effect, EffectClass, Error, Result};

use crate::client::address;
use crate::effect::Annotations;

/// The longest name of a server; its tools' names need room behind it.
const MAX_NAME_CHARS: usize = 32;

/// One MCP server, and how far it is trusted.
#[derive(Debug, Clone)]
pub struct McpConfig {
    /// What its tools' names begin with: 1 to 32 of `a-z A-Z 0-9 _ -`. Has no
    /// default.
    pub name: String,
    /// How it is reached. Has no default.
    pub reach: Reach,
    /// Its tools to offer, by the server's names. Unset by default: all.
    pub allow: Option<BTreeSet<String>>,
    /// What tools do, by the server's names, whatever the server says of them.
    /// Default none. [`Effect::RECONCILE`] is refused: no server can be asked
    /// what became of a call.
    pub effects: BTreeMap<String, Effect>,
    /// Whether the server's annotations count. Default `Ignored`: every tool is
    /// at most once and needs approval.
    pub annotations: Annotations,
    /// Digests that tools must have, by the server's names: hexadecimal SHA-256
    /// of name, description and schema, and of what trusted annotations make of
    /// the tool, as [`crate::ListedTool::digest`] shows them. A tool that has
    /// another is not offered. Default none.
    pub pins: BTreeMap<String, String>,
    /// For starting or reaching the server, and again for listing its tools.
    /// Default 30 s.
    pub start_timeout: Duration,
    /// The first pause before a server that went away is started again; each
    /// next one is twice as long. Default 500 ms.
    pub restart_pause: Duration,
    /// The longest of these pauses. Default 60 s.
    pub restart_pause_max: Duration,
    /// What the model is told of one call, in bytes; the rest is cut off.
    /// Default 256 KiB.
    pub output_limit_bytes: usize,
    /// One message of the server, in bytes, images and all. Default 16 MiB; an
    /// answer of one piece over HTTP has this limit whatever is said here.
    pub message_limit_bytes: usize,
}

/// How an MCP server is reached.
#[derive(Clone)]
pub enum Reach {
    /// A child process that speaks over its standard input and output.
    Stdio {
        /// The program: a path, or a name to be found in `env`'s `PATH`.
        command: String,
        /// Its arguments. Never a shell.
        args: Vec<String>,
        /// Its whole environment: nothing is inherited.
        env: BTreeMap<String, SecretString>,
        /// Where it runs. Unset by default: where this process does.
        directory: Option<PathBuf>,
    },
    /// Streamable HTTP.
    Http {
        /// Where the server listens. Private addresses are fine: the operator
        /// has chosen it.
        url: String,
        /// Sent as a bearer token.
        bearer: Option<SecretString>,
        /// For the connection, TLS included.
        connect_timeout: Duration,
    },
}

impl Reach {
    /// A program with arguments and an empty environment.
    pub fn stdio<A: Into<String>>(
        command: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::Stdio {
            command: command.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            directory: None,
        }
    }

    /// An address without a token; 5 s for the connection.
    pub fn http(url: impl Into<String>) -> Self {
        Self::Http {
            url: url.into(),
            bearer: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl Default for McpConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            reach: Reach::stdio("", [""; 0]),
            allow: None,
            effects: BTreeMap::new(),
            annotations: Annotations::Ignored,
            pins: BTreeMap::new(),
            start_timeout: Duration::from_secs(30),
            restart_pause: Duration::from_millis(500),
            restart_pause_max: Duration::from_secs(60),
            output_limit_bytes: 256 << 10,
            message_limit_bytes: 16 << 20,
        }
    }
}

impl McpConfig {
    /// Checks all fields and names every problem at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut problems = self.reach.problems();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !(1..=MAX_NAME_CHARS).contains(&self.name.len()) || !self.name.chars().all(fits) {
            problems.push("name must have 1 to 32 characters of a-z, A-Z, 0-9, _ and -".into());
        }
        for (tool, effect) in &self.effects {
            if effect.class == EffectClass::Reconcile {
                problems.push(format!(
                    "effects: {tool} is reconcile, but no MCP server can be asked what became of a call"
                ));
            }
        }
        for (tool, pin) in &self.pins {
            if Digest::from_hex(pin).is_none() {
                problems.push(format!("pins: that of {tool} is no SHA-256 in hexadecimal"));
            }
        }
        for (field, is_zero) in [
            ("start_timeout", self.start_timeout.is_zero()),
            ("restart_pause", self.restart_pause.is_zero()),
            ("output_limit_bytes", self.output_limit_bytes == 0),
            ("message_limit_bytes", self.message_limit_bytes == 0),
        ] {
            if is_zero {
                problems.push(format!("{field} is 0"));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        let problems = problems.join("; ");
        Err(
            Error::invalid(format!("the configuration of an mcp server: {problems}"))
                .with("server", &self.name),
        )
    }
}

impl Reach {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match self {
            Self::Stdio { command, env, .. } => {
                if command.trim().is_empty() {
                    problems.push("command names no program".into());
                }
                let bad = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
                if env.keys().any(|name| bad(&name)) {
                    problems.push("env has a name that no variable can have".into());
                }
            }
            Self::Http {
                url,
                connect_timeout,
                ..
            } => {
                if let Err(problem) = address(url) {
                    problems.push(problem.into());
                }
                if connect_timeout.is_zero() {
                    problems.push("connect_timeout is 0".into());
                }
            }
        }
        problems
    }
}

impl fmt::Debug for Reach {
    /// Neither arguments nor the path of an address: both are known to hold
    /// keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio { command, args, .. } => {
                write!(f, "Stdio({command} with {} arguments)", args.len())
            }
            Self::Http { url, .. } => {
                let url = address(url).ok();
                let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or("?");
                write!(f, "Http({host})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let config = McpConfig {
            name: "two words".into(),
            reach: Reach::http("https://user:canary@host/mcp"),
            effects: BTreeMap::from([("probe".into(), Effect::RECONCILE)]),
            pins: BTreeMap::from([("pinned".into(), "abc".into())]),
            start_timeout: Duration::ZERO,
            ..McpConfig::default()
        };
        let message = config.check().unwrap_err().to_string();
        for part in ["name", "url", "probe", "pinned", "start_timeout"] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(!message.contains("canary"));
        assert!(
            McpConfig::default()
                .check()
                .unwrap_err()
                .to_string()
                .contains("command")
        );
    }

    #[test]
    fn secrets_do_not_print() {
        let stdio = Reach::Stdio {
            command: "server".into(),
            args: vec!["--token=canary".into()],
            env: BTreeMap::from([("KEY".into(), SecretString::from("canary"))]),
            directory: None,
        };
        let http = Reach::http("https://host/canary?key=canary");
        assert_eq!(
            format!("{stdio:?} {http:?}"),
            "Stdio(server with 1 arguments) Http(host)"
        );
    }
}
