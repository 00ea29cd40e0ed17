//! Data to stdout.

use std::io::Write;

use serde::Serialize;

use super::failure::{Code, Failure};

/// Prints one line; a reader that has gone away is not our failure.
pub fn line(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value as JSON, over several lines.
pub fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Code::Failed, "the answer is not JSON").because(error))?;
    line(format_args!("{text}"));
    Ok(())
}

/// Runs `zupa version`.
pub fn version(as_json: bool) -> Result<Code, Failure> {
    let features: Vec<&str> = [
        ("sqlite", cfg!(feature = "sqlite")),
        ("postgres", cfg!(feature = "postgres")),
        ("openai", cfg!(feature = "openai")),
        ("http", cfg!(feature = "http")),
        ("whatsapp-cloud", cfg!(feature = "whatsapp-cloud")),
        ("wwebjs-bridge", cfg!(feature = "wwebjs-bridge")),
        ("mcp", cfg!(feature = "mcp")),
        ("faults", cfg!(feature = "faults")),
    ]
    .iter()
    .filter_map(|(name, on)| on.then_some(*name))
    .collect();
    let version = env!("CARGO_PKG_VERSION");
    if as_json {
        json(&serde_json::json!({ "version": 1, "zupa": version, "features": features }))?;
    } else {
        line(format_args!("zupa {version} ({})", features.join(", ")));
    }
    Ok(Code::Ok)
}
