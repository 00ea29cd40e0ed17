//! Tools without code: from `[[http_tool]]` and `[[mcp]]` to the agent's tools.

#[cfg(feature = "mcp")]
mod http;
#[cfg(feature = "mcp")]
mod mcp;

use zupa::config::Config;
use zupa_runtime::Agent;

use super::check;
use super::failure::Failure;

/// Gives the agent the tools that the configuration describes. Servers are started
/// or reached; one that cannot be stops the start.
#[cfg(feature = "mcp")]
pub async fn add(agent: Agent, config: &Config) -> Result<Agent, Failure> {
    let agent = http::add(agent, &config.http_tools).await?;
    mcp::add(agent, &config.mcp).await
}

/// Loading the configuration has refused tools.
#[cfg(not(feature = "mcp"))]
pub async fn add(agent: Agent, _: &Config) -> Result<Agent, Failure> {
    Ok(agent)
}

/// Checks that `[policy.tools.NAME]` names tools of the agent: which ones servers offer
/// is known only now.
pub fn check_policies(agent: &Agent, config: &Config) -> Result<(), Failure> {
    let problems = config.unknown_tools(&agent.tool_names());
    match problems.is_empty() {
        true => Ok(()),
        false => Err(check::refused(&problems)),
    }
}

#[cfg(feature = "mcp")]
mod shared {
    use std::collections::BTreeMap;

    use zupa::config::{SecretText, ToolEffect};
    use zupa_core::Effect;
    use zupa_core::secrets::{ExposeSecret, SecretString};

    use crate::cli::assemble::secret;
    use crate::cli::failure::Failure;

    /// What the configuration says that a tool does.
    pub fn effect(effect: ToolEffect, approve: bool) -> Effect {
        let effect = match effect {
            ToolEffect::Pure => Effect::PURE,
            ToolEffect::Idempotent => Effect::IDEMPOTENT,
            ToolEffect::Reconcile => Effect::RECONCILE,
            ToolEffect::AtMostOnce => Effect::AT_MOST_ONCE,
        };
        if approve { effect.approved() } else { effect }
    }

    /// A table of secrets, each from its place.
    pub async fn resolve(
        table: &BTreeMap<String, SecretText>,
        key: &str,
    ) -> Result<BTreeMap<String, SecretString>, Failure> {
        let mut resolved = BTreeMap::new();
        for (name, text) in table {
            let value = secret(&text.secret, &format!("{key}.{name}")).await?;
            let whole = format!("{}{}", text.prefix, value.expose_secret());
            resolved.insert(name.clone(), whole.into());
        }
        Ok(resolved)
    }
}
