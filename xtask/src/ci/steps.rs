//! The steps of `cargo xtask ci`, in the order in which they run.
//!
//! On two cores building is what takes the time, so the steps share as few
//! feature sets as they can: clippy and the docs use one set of checked
//! dependencies; the crash run, the example and the tests one set of built
//! ones (all features, test dependencies included).

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::Outcome;
use super::command::{answers, cargo, finish, root, target_folder};
use crate::{crash, rules};

/// One check.
pub struct Step {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn() -> Result<Outcome>,
}

/// Every step; the tests are the last, so that the output ends with their summary.
pub fn steps() -> Vec<Step> {
    let step = |name, about, run| Step { name, about, run };
    vec![
        step("fmt", "the format of every file", || {
            cargo_step(&["fmt", "--all", "--check"])
        }),
        step("clippy-all", "warnings, all targets and features", || {
            cargo_step(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ])
        }),
        step(
            "clippy-none",
            "warnings, the facade without features",
            || clippy_facade(&[]),
        ),
        step("clippy-sqlite", "warnings, feature sqlite alone", || {
            clippy_facade(&["--features", "sqlite"])
        }),
        step("clippy-openai", "warnings, feature openai alone", || {
            clippy_facade(&["--features", "openai"])
        }),
        step("clippy-http", "warnings, feature http alone", || {
            clippy_facade(&["--features", "http"])
        }),
        step("rules", "the repository rules", || {
            rules::run().map(|()| Outcome::Done)
        }),
        step("doc", "the documentation, warnings denied", doc_step),
        step(
            "deny",
            "licences, bans and sources of dependencies",
            deny_step,
        ),
        step(
            "consumer",
            "a crate outside the workspace, without the facade",
            consumer_step,
        ),
        step("build", "everything that the remaining steps run", || {
            cargo_step(&["build", "--workspace", "--all-targets", "--all-features"])
        }),
        step(
            "crash",
            "a short seeded run of the kill harness",
            crash_step,
        ),
        step(
            "planted",
            "bugs that the kill harness must catch",
            planted_step,
        ),
        step("example", "examples/hello.rs of the facade", example_step),
        step("doctest", "the examples in the documentation", doctest_step),
        step("test", "the tests", test_step),
    ]
}

fn clippy_facade(features: &[&str]) -> Result<Outcome> {
    let mut arguments = vec![
        "clippy",
        "--package",
        "zupa",
        "--lib",
        "--no-default-features",
    ];
    arguments.extend(features);
    arguments.extend(["--", "-D", "warnings"]);
    cargo_step(&arguments)
}

/// Naming the targets, examples among them, makes cargo resolve features as
/// clippy did, so no dependency is checked a second time. The binary `zupa` is
/// left out: its pages would take the names of the library's.
fn doc_step() -> Result<Outcome> {
    let mut command = cargo();
    command.args([
        "doc",
        "--no-deps",
        "--workspace",
        "--all-features",
        "--lib",
        "--bin",
        "xtask",
        "--examples",
    ]);
    finish(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny_step() -> Result<Outcome> {
    if !answers(cargo().args(["deny", "--version"])) {
        return Ok(Outcome::Skipped("cargo-deny is not installed".to_owned()));
    }
    cargo_step(&[
        "deny",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ])?;

    // The advisory database is a git repository on the network; without it the
    // other three still count. `timeout`: a firewall may swallow the packets.
    let cargo_path = cargo().get_program().to_owned();
    let mut fetch = Command::new("timeout");
    fetch
        .arg("60")
        .arg(cargo_path)
        .args(["deny", "fetch", "db"])
        .current_dir(root());
    if !answers(&mut fetch) {
        eprintln!("    deny: skipped advisories: their database is not reachable");
        return Ok(Outcome::Done);
    }
    cargo_step(&[
        "deny",
        "check",
        "--hide-inclusion-graph",
        "--disable-fetch",
        "advisories",
    ])
}

/// Starts from the lock file of the workspace, so the same versions are built
/// and nothing has to be resolved over the network.
fn consumer_step() -> Result<Outcome> {
    let folder = root().join("xtask/consumer");
    let manifest = folder.join("Cargo.toml");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .context("copy Cargo.lock to the consumer")?;
    finish(
        cargo()
            .args(["fmt", "--check", "--manifest-path"])
            .arg(&manifest),
    )?;
    let target = target_folder()?.join("consumer");
    finish(
        cargo()
            .args(["build", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(target),
    )
}

/// About a minute, on the binary that `build` left: all features, so the phase
/// marks are in it. The seed is fixed, so that a failure can be repeated.
fn crash_step() -> Result<Outcome> {
    let binary = target_folder()?.join("debug/zupa");
    crash::run(crash::Options {
        cycles: 40,
        seed: 7,
        binary: Some(binary),
        ..crash::Options::default()
    })?;
    Ok(Outcome::Done)
}

/// A commit that forgets the epoch needs two processes on one store to be seen
/// from outside; here the contract suite of zupa-sqlite catches it.
fn planted_step() -> Result<Outcome> {
    for bug in [
        "ack-before-commit",
        "dedupe-without-tenant",
        "outbox-outside-transaction",
    ] {
        crash::run(crash::Options {
            cycles: 6,
            seed: 24,
            bug: Some(bug.to_owned()),
            expect_caught: true,
            binary: Some(target_folder()?.join("debug/zupa")),
            ..crash::Options::default()
        })?;
    }
    Ok(Outcome::Done)
}

/// Runs what `build` built: `cargo run -p zupa --example hello` resolves the
/// features of one package and would build the dependencies once more.
fn example_step() -> Result<Outcome> {
    if !root().join("crates/zupa/examples/hello.rs").is_file() {
        return Ok(Outcome::Skipped(
            "crates/zupa/examples/hello.rs does not exist".to_owned(),
        ));
    }
    let example = target_folder()?.join("debug/examples/hello");
    finish(Command::new(example).current_dir(root()))
}

fn doctest_step() -> Result<Outcome> {
    if !has_nextest() {
        return Ok(Outcome::Skipped(
            "`cargo test` runs them with the tests".to_owned(),
        ));
    }
    cargo_step(&["test", "--doc", "--workspace", "--all-features"])
}

fn test_step() -> Result<Outcome> {
    if has_nextest() {
        return cargo_step(&[
            "nextest",
            "run",
            "--workspace",
            "--all-features",
            "--no-fail-fast",
        ]);
    }
    cargo_step(&["test", "--workspace", "--all-features", "--no-fail-fast"])
}

fn has_nextest() -> bool {
    answers(cargo().args(["nextest", "--version"]))
}

fn cargo_step(arguments: &[&str]) -> Result<Outcome> {
    finish(cargo().args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_come_last() {
        assert_eq!(steps().last().map(|step| step.name), Some("test"));
    }
}
