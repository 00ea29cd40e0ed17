//! Starts cargo and friends: one environment, one way to report a failure.

use std::env;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::Outcome;

/// The cargo that runs us, at the root of the workspace.
///
/// `cargo run` sets variables about xtask. They must not reach a build: the
/// build script of ring watches them and would run again with each change
/// between `cargo xtask ci` and a plain `cargo build`.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    if env::var_os("RUST_BACKTRACE").is_none() {
        command.env("RUST_BACKTRACE", "1");
    }
    // A log is read later and by machines: no colours, no progress bars.
    if !stderr().is_terminal() {
        if env::var_os("CARGO_TERM_COLOR").is_none() {
            command.env("CARGO_TERM_COLOR", "never");
        }
        command.env("CARGO_TERM_PROGRESS_WHEN", "never");
    }
    // A checkout that is built once gains nothing from incremental files, and a panic says
    // its line without what a debugger reads.
    if env::var_os("CI").is_some_and(|value| value == "true") {
        command.env("CARGO_INCREMENTAL", "0");
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    }
    command
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Where cargo builds, which the caller's environment may have moved.
pub fn target_folder() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("read cargo metadata")?;
    let folder = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names no target directory")?;
    Ok(folder.into())
}

/// Runs a command with our own output and turns its status into an error.
pub fn finish(command: &mut Command) -> Result<Outcome> {
    let line = command_line(command);
    let status = command
        .status()
        .with_context(|| format!("start `{line}`"))?;
    ensure!(status.success(), "`{line}` ended with {status}");
    Ok(Outcome::Done)
}

/// Whether the command can be run at all, and succeeds.
pub fn answers(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn command_line(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_its_status() {
        let mut command = cargo();
        command
            .args(["fmt", "--no-such-flag"])
            .stderr(Stdio::null());
        let message = finish(&mut command).err().unwrap().to_string();
        assert!(
            message.starts_with("`cargo fmt --no-such-flag` ended with exit"),
            "{message}"
        );
    }

    #[test]
    fn a_command_that_is_not_there_does_not_answer() {
        assert!(!answers(&mut Command::new("zupa-no-such-command")));
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
