//! The server under test: built here with its fault points, or given.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::Options;
use super::stage::root;

/// Returns the path of the binary; cargo says where it put it.
pub fn binary(options: &Options) -> anyhow::Result<PathBuf> {
    if let Some(binary) = &options.binary {
        return binary
            .canonicalize()
            .with_context(|| format!("there is no {}", binary.display()));
    }
    let features = if options.on_postgres() {
        "faults,postgres"
    } else {
        "faults"
    };
    let mut arguments = vec!["--features", features];
    if options.release {
        arguments.push("--release");
    }
    zupa(&arguments)
}

/// Builds what is released, and returns its path.
pub fn release() -> anyhow::Result<PathBuf> {
    zupa(&["--release"])
}

fn zupa(arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--package", "zupa", "--bin", "zupa"]);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.args(arguments);
    let built = cargo
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(built.status.success(), "cannot build zupa");
    executable(&String::from_utf8_lossy(&built.stdout)).context("cargo built no zupa binary")
}

fn executable(messages: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        executable: Option<PathBuf>,
    }
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| message.executable)
        .next_back()
}

/// The commit under test, marked when the working tree differs from it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(root())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--verify", "--quiet", "HEAD"]) else {
        return "none yet".to_owned();
    };
    let clean = git(&["status", "--porcelain"]).is_some_and(|status| status.is_empty());
    if clean {
        commit
    } else {
        format!("{commit} and changes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_taken_from_cargo() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/t/debug/zupa"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/debug/zupa")));
        assert_eq!(executable("not json\n"), None);
    }
}
