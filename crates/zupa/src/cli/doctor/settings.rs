//! What the configuration alone says, and where the process that serves listens.

use std::net::SocketAddr;

use zupa::config::{ChannelKind, Config, Mcp, Problem, Profile, Provider, ToolEffect};

use super::finding::Finding;
use crate::cli::assemble;

/// The profile in the words of the configuration.
fn word(profile: Profile) -> &'static str {
    match profile {
        Profile::Dev => "dev",
        Profile::Staging => "staging",
        Profile::Prod => "prod",
    }
}

/// A problem of the configuration.
pub fn problem(problem: &Problem) -> Finding {
    Finding::fail("config", place(problem), &problem.why, &problem.fix)
}

fn place(problem: &Problem) -> String {
    let Problem {
        origin, key, what, ..
    } = problem;
    match key.is_empty() {
        true => format!("{origin}: {what}"),
        false => format!("{origin}: {key}: {what}"),
    }
}

/// Looks at a configuration that can be read, and at the address that is listened on.
pub fn examine(config: &Config, listens: SocketAddr) -> Vec<Finding> {
    // Checks of their own say more of where it listens.
    let warnings = config.warnings();
    let mut findings: Vec<Finding> = warnings
        .iter()
        .filter(|warning| warning.key != "server.listen")
        .map(|warning| Finding::warn("config", place(warning), &warning.why, &warning.fix))
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(
            "config",
            "every key is known and has a good value",
        ));
    }
    findings.push(profile(config));
    findings.push(listen(listens));
    findings.push(web_chat(config, listens));
    findings.push(tools(config));
    findings.push(telemetry(config));
    findings
}

fn profile(config: &Config) -> Finding {
    let what = match config.profile {
        Profile::Dev => "dev: for the machine of whoever develops",
        Profile::Staging => "staging: meant to be set up as prod",
        Profile::Prod => "prod: unsafe settings are refused",
    };
    Finding::ok("profile", what)
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn listen(address: SocketAddr) -> Finding {
    if is_loopback(address) {
        return Finding::ok("listen", format!("{address} is for this machine alone"));
    }
    Finding::warn(
        "listen",
        format!("{address} is reachable from other machines"),
        "whoever reaches the port can talk to it, without TLS",
        "listen on 127.0.0.1 behind a proxy with TLS, or limit who reaches the port",
    )
}

/// The web chat is open: its visitors name their own conversations.
fn web_chat(config: &Config, listens: SocketAddr) -> Finding {
    let has_chat = config
        .channels
        .iter()
        .any(|channel| channel.kind == ChannelKind::WebChat);
    if !has_chat {
        return Finding::ok("web chat", "there is none");
    }
    let why = "visitors name their own conversation, so anyone may read and write in any";
    match (config.profile, is_loopback(listens)) {
        (Profile::Dev, true) => Finding::ok("web chat", "open, on this machine, in dev"),
        (Profile::Staging, true) => Finding::warn(
            "web chat",
            "open, in staging",
            why,
            "keep it behind a proxy that knows its users",
        ),
        (profile, _) => Finding::fail(
            "web chat",
            format!("open, at {listens} in {}", word(profile)),
            why,
            "listen on 127.0.0.1 behind a proxy that knows its users, in staging",
        ),
    }
}

/// Calls of which nobody has said what they do wait for an operator; a server's own
/// word, and one's own `at_most_once` without approval, go past that.
fn tools(config: &Config) -> Finding {
    let trusted = |server: &&Mcp| server.trust_annotations;
    let trusted: Vec<&str> = config
        .mcp
        .iter()
        .filter(trusted)
        .map(|server| server.name.as_str())
        .collect();
    let unasked: Vec<String> = config
        .mcp
        .iter()
        .flat_map(|server| {
            let risky = |(tool, effect): &(&String, &ToolEffect)| {
                **effect == ToolEffect::AtMostOnce && !server.approve.contains(tool)
            };
            let named = |(tool, _): (&String, &ToolEffect)| format!("{}/{tool}", server.name);
            server.effects.iter().filter(risky).map(named)
        })
        .collect();
    if !trusted.is_empty() {
        return Finding::warn(
            "tools",
            format!(
                "what servers say of their own tools counts: {}",
                trusted.join(", ")
            ),
            "a server that calls a tool harmless decides that nobody is asked",
            "name the effects in [[mcp]] and leave trust_annotations out",
        );
    }
    if !unasked.is_empty() {
        return Finding::warn(
            "tools",
            format!("called without approval: {}", unasked.join(", ")),
            "such a call can neither be repeated nor taken back",
            "list them in `approve` of their [[mcp]]",
        );
    }
    Finding::ok("tools", "those of unknown risk need an approval")
}

/// Ours never log text; other people's code may, at the level `trace`.
fn telemetry(config: &Config) -> Finding {
    let log = &config.telemetry.log;
    if !log.to_ascii_lowercase().contains("trace") {
        return Finding::ok("telemetry", "what people write is in no log");
    }
    Finding::warn(
        "telemetry",
        format!("telemetry.log is {log}"),
        "at trace, libraries may log the bytes that they carry",
        "debug at most, where customers are served",
    )
}

/// Whether something can answer.
pub async fn model(config: &Config) -> Finding {
    const FIX: &str = "provider = \"openai\" and a name in [model]";
    match (config.model.provider, config.profile) {
        (None, Profile::Dev) => Finding::warn(
            "model",
            "none is configured",
            "`zupa dev` takes its script, or OPENAI_API_KEY; `zupa serve` does not start",
            FIX,
        ),
        (Some(Provider::Scripted), Profile::Prod) => Finding::warn(
            "model",
            "a script answers",
            "it knows only what is written in it",
            FIX,
        ),
        _ => match assemble::model(config, false).await {
            Ok(chosen) => match assemble::fallbacks(config).await {
                Ok(fallbacks) => {
                    let fallbacks = fallbacks.into_iter().map(|fallback| fallback.words);
                    let all: Vec<_> = std::iter::once(chosen.words).chain(fallbacks).collect();
                    Finding::ok("model", all.join(", else "))
                }
                Err(failure) => Finding::failed("model", &failure),
            },
            Err(failure) => Finding::failed("model", &failure),
        },
    }
}
