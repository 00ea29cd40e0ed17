//! `[[mcp]]`: servers of tools, started or reached at the start, all at once.

use std::time::Duration;

use tracing::{info, warn};
use zupa::config;
use zupa_core::ErrorKind;
use zupa_mcp::{Annotations, McpConfig, McpServer, Reach};
use zupa_runtime::Agent;

use super::shared::{effect, resolve};
use crate::cli::assemble::secret;
use crate::cli::failure::{Code, Failure};

/// For the connection to a server.
const CONNECT: Duration = Duration::from_secs(5);

/// Gives the agent the tools of these servers, in their order. Each tool is a
/// handle to its server, which ends with the last.
pub async fn add(mut agent: Agent, wanted: &[config::Mcp]) -> Result<Agent, Failure> {
    let mut starting = Vec::new();
    for (index, wanted) in wanted.iter().enumerate() {
        let config = described(wanted, &format!("mcp[{index}]")).await?;
        starting.push((&wanted.name, tokio::spawn(McpServer::start(config))));
    }
    for (name, start) in starting {
        let started = start.await.map_err(|error| {
            Failure::new(Code::Failed, format!("the MCP server {name} did not start"))
                .because(error)
        })?;
        let server = started.map_err(|error| not_there(name, &error))?;
        for tool in server.listed() {
            // The digest is what an operator pins.
            info!(
                mcp.server = %name, tool = %tool.name, class = tool.effect.class.as_str(),
                approve = tool.effect.approve, pinned = tool.pinned, digest = %tool.digest.to_hex(),
                "offers a tool"
            );
        }
        for refused in server.refused() {
            warn!(mcp.server = %name, "does not offer a tool: {refused}");
        }
        for tool in server.tools() {
            agent = agent.tool(tool);
        }
    }
    Ok(agent)
}

async fn described(wanted: &config::Mcp, at: &str) -> Result<McpConfig, Failure> {
    let reach = match (&wanted.url, wanted.command.split_first()) {
        (Some(url), _) => Reach::Http {
            url: url.clone(),
            bearer: match &wanted.bearer {
                Some(reference) => Some(secret(reference, &format!("{at}.bearer")).await?),
                None => None,
            },
            connect_timeout: CONNECT,
        },
        (None, Some((command, args))) => Reach::Stdio {
            command: command.clone(),
            args: args.to_vec(),
            env: resolve(&wanted.env, &format!("{at}.env")).await?,
            directory: wanted.directory.as_ref().map(Into::into),
        },
        // Loading the configuration has refused it.
        (None, None) => return Err(Failure::new(Code::Config, format!("{at} names no server"))),
    };
    let effects = wanted.effects.iter().map(|(tool, wanted_effect)| {
        let approve = wanted.approve.contains(tool);
        (tool.clone(), effect(*wanted_effect, approve))
    });
    Ok(McpConfig {
        name: wanted.name.clone(),
        reach,
        allow: wanted
            .allow
            .as_ref()
            .map(|allow| allow.iter().cloned().collect()),
        effects: effects.collect(),
        annotations: match wanted.trust_annotations {
            true => Annotations::Trusted,
            false => Annotations::Ignored,
        },
        pins: wanted.pins.clone(),
        ..McpConfig::default()
    })
}

fn not_there(name: &str, error: &zupa_core::Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::Invalid => Code::Config,
        _ => Code::Unreachable,
    };
    let failure = Failure::new(
        code,
        format!("the MCP server {name} cannot be used: {error}"),
    );
    let failure = match std::error::Error::source(error) {
        Some(source) => failure.because(source),
        None => failure,
    };
    failure.try_this(
        "start it by hand; a program is given no variables but those of `env`, so PATH too is \
         named there: `env = { PATH = \"env:PATH\" }`",
    )
}
