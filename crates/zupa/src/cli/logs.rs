//! Logs: to stderr, JSON where nobody sits before it.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use zupa::config::{Config, LogFormat};

use super::arguments::{Color, Global};
use super::environment;

/// Starts logging as the configuration and the flags say.
pub fn start(global: &Global, config: &Config) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "warn",
        (_, true) => "debug",
        _ => &config.telemetry.log,
    };
    // The first target logs whole bodies when an answer cannot be decoded, the
    // second that a table is there already, at each start.
    let filter = EnvFilter::new(format!(
        "{level},async_openai::error=off,sqlx::postgres::notice=warn"
    ));
    let json = match config.telemetry.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !stderr().is_terminal(),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(colored(global.color));
    // Fails only if logging was started before.
    let _ = if json {
        logs.json().flatten_event(true).try_init()
    } else {
        logs.compact().try_init()
    };
}

fn colored(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => stderr().is_terminal() && environment::variable("NO_COLOR").is_none(),
    }
}
