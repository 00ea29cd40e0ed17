//! The steps of `cargo xtask ci`, in the order in which they run.
//!
//! On two cores building is what takes the time, so the steps share as few
//! feature sets as they can: clippy and the docs use one set of checked
//! dependencies; the crash run, the example and the tests one set of built
//! ones (all features, test dependencies included).

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

use super::Outcome;
use super::command::{answers, cargo, finish, root, target_folder};
use super::needs::Needs;
use crate::{crash, overload, rules, webhooks};

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// After those before it.
    InTurn,
    /// Beside those that follow, in its place among those that run beside.
    Beside,
    /// When nothing runs beside.
    Alone,
}

/// One check.
pub struct Step {
    pub name: &'static str,
    pub about: &'static str,
    pub place: Place,
    pub run: fn(&mut Needs) -> Result<Outcome>,
}

/// Every step; the tests are the last, so that the output ends with their summary.
///
/// Those that run beside need what `build` leaves, and have nothing to do for half of
/// their time: what only builds follows, and then what is better left alone.
pub fn steps() -> Vec<Step> {
    let step = |name, about, run| Step {
        name,
        about,
        place: Place::InTurn,
        run,
    };
    let beside = |name, about, run| Step {
        place: Place::Beside,
        ..step(name, about, run)
    };
    let alone = |name, about, run| Step {
        place: Place::Alone,
        ..step(name, about, run)
    };
    vec![
        step("fmt", "the format of every file", |_| {
            cargo_step(&["fmt", "--all", "--check"])
        }),
        step("rules", "the repository rules", |_| {
            rules::run().map(|()| Outcome::Done)
        }),
        step("build", "everything that other steps run", |_| {
            // All targets but benchmarks, which nothing below runs and clippy has seen.
            let targets = ["--lib", "--bins", "--tests", "--examples"];
            let build = ["build", "--workspace", "--all-features"];
            cargo_step(&[&build[..], &targets[..]].concat())
        }),
        beside("crash", "a short seeded run of the kill harness", |_| {
            crash_step()
        }),
        beside("soak", "a short soak, with faults and kills", |_| {
            soak_step()
        }),
        beside("planted", "bugs that the kill harness must catch", |_| {
            planted_step()
        }),
        beside(
            "replicas",
            "replicas on Postgres: killed, stopped, cut off",
            |_| replicas_step(),
        ),
        beside("example", "the examples of the facade", |_| example_step()),
        step("clippy-all", "warnings, all targets and features", |_| {
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
            |_| clippy_facade(&[]),
        ),
        step("clippy-sqlite", "warnings, feature sqlite alone", |_| {
            clippy_facade(&["--features", "sqlite"])
        }),
        step("clippy-openai", "warnings, feature openai alone", |_| {
            clippy_facade(&["--features", "openai"])
        }),
        step("clippy-http", "warnings, feature http alone", |_| {
            clippy_facade(&["--features", "http"])
        }),
        step(
            "clippy-whatsapp-cloud",
            "warnings, feature whatsapp-cloud alone",
            |_| clippy_facade(&["--features", "whatsapp-cloud"]),
        ),
        step(
            "clippy-wwebjs-bridge",
            "warnings, feature wwebjs-bridge alone",
            |_| clippy_facade(&["--features", "wwebjs-bridge"]),
        ),
        step(
            "clippy-postgres",
            "warnings, feature postgres alone",
            |_| clippy_facade(&["--features", "postgres"]),
        ),
        step("doc", "the documentation, warnings denied", |_| doc_step()),
        step("deny", "licences, bans and sources of dependencies", |_| {
            deny_step()
        }),
        step(
            "consumer",
            "a crate outside the workspace, without the facade",
            |_| consumer_step(),
        ),
        step(
            "postgres",
            "a throw-away PostgreSQL for the tests",
            Needs::postgres,
        ),
        step("doctest", "the examples in the documentation", doctest_step),
        alone("overload", "five times what a server can do", |_| {
            let binary = target_folder()?.join("debug/zupa");
            overload::run(&overload::Options::short(binary.clone()))?;
            webhooks::run(&webhooks::Options::short(binary))?;
            Ok(Outcome::Done)
        }),
        alone("test", "the tests", test_step),
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
    // What it shares with the workspace was checked before.
    let target = target_folder()?;
    finish(
        cargo()
            .args(["check", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(target),
    )
}

/// Three quarters of a minute, on the binary that `build` left: all features, so the phase
/// marks are in it. The seed is fixed, so that a failure can be repeated.
fn crash_step() -> Result<Outcome> {
    let binary = target_folder()?.join("debug/zupa");
    crash::run(crash::Options {
        cycles: 20,
        seed: 7,
        binary: Some(binary.clone()),
        ..crash::Options::default()
    })?;
    // People with phones, at a simulator of Meta that misbehaves.
    crash::run(crash::Options {
        cycles: 12,
        seed: 7,
        channel: crash::Channel::WhatsappCloud,
        binary: Some(binary.clone()),
        ..crash::Options::default()
    })?;
    // A tenth of `cargo xtask terminate`: five ends in order, and one at once.
    crash::run(crash::Options {
        terminations: Some(5),
        seed: 7,
        binary: Some(binary),
        ..crash::Options::default()
    })?;
    Ok(Outcome::Done)
}

/// All of a soak but the growth of memory, which takes longer to see.
fn soak_step() -> Result<Outcome> {
    crash::run(crash::Options {
        soak: Some(crash::Soak::short()),
        seed: 7,
        binary: Some(target_folder()?.join("debug/zupa")),
        ..crash::Options::default()
    })?;
    Ok(Outcome::Done)
}

/// A seeded tenth of the long loops, and the bug that one process cannot show.
fn replicas_step() -> Result<Outcome> {
    if crate::services::postgres::Postgres::find().is_none() {
        if std::env::var_os("CI").is_some_and(|value| value == "true") {
            anyhow::bail!("PostgreSQL is not installed\n  try: .ci/run, which installs it");
        }
        return Ok(Outcome::Skipped("PostgreSQL is not installed".to_owned()));
    }
    let options = || {
        Ok::<_, anyhow::Error>(crash::Options {
            store: crash::Store::Postgres,
            seed: 7,
            binary: Some(target_folder()?.join("debug/zupa")),
            ..crash::Options::default()
        })
    };
    crash::run(crash::Options {
        cycles: 6,
        ..options()?
    })?;
    // Sending doors: one that drops repeats of our key, one that does not.
    for sink in [crash::Sink::ByKey, crash::Sink::Never] {
        crash::run(crash::Options {
            pauses: Some(1),
            sink: Some(sink),
            ..options()?
        })?;
    }
    crash::run(crash::Options {
        restarts: Some(1),
        ..options()?
    })?;
    crash::run(crash::Options {
        partitions: Some(1),
        longest_cut: 5,
        ..options()?
    })?;
    crash::run(crash::Options {
        bug: Some("commit-without-epoch".to_owned()),
        expect_caught: true,
        seed: 12,
        ..options()?
    })?;
    Ok(Outcome::Done)
}

/// A commit that forgets the epoch needs two processes on one store to be seen
/// from outside: the step `replicas` shows it.
fn planted_step() -> Result<Outcome> {
    for bug in [
        "ack-before-commit",
        "dedupe-without-tenant",
        "outbox-outside-transaction",
    ] {
        crash::run(crash::Options {
            cycles: 4,
            seed: 24,
            bug: Some(bug.to_owned()),
            expect_caught: true,
            binary: Some(target_folder()?.join("debug/zupa")),
            ..crash::Options::default()
        })?;
    }
    // Only a door that sends can send twice.
    crash::run(crash::Options {
        cycles: 4,
        seed: 24,
        bug: Some("resend-without-evidence".to_owned()),
        expect_caught: true,
        channel: crash::Channel::WhatsappCloud,
        binary: Some(target_folder()?.join("debug/zupa")),
        ..crash::Options::default()
    })?;
    Ok(Outcome::Done)
}

/// The examples, and what they are run with: the larger ones are killed meanwhile.
const EXAMPLES: [(&str, &[&str]); 5] = [
    ("hello", &[]),
    ("dead_letters", &[]),
    ("idempotency", &[]),
    ("burger_shop", &["--people", "60", "--kills", "10"]),
    ("language_tutor", &["--people", "15", "--kills", "10"]),
];

/// Runs what `build` built: `cargo run -p zupa --example hello` resolves the
/// features of one package and would build the dependencies once more.
fn example_step() -> Result<Outcome> {
    for (name, arguments) in EXAMPLES {
        let example = target_folder()?.join("debug/examples").join(name);
        finish(Command::new(example).args(arguments).current_dir(root()))?;
    }
    Ok(Outcome::Done)
}

fn doctest_step(needs: &mut Needs) -> Result<Outcome> {
    if !has_nextest() {
        return Ok(Outcome::Skipped(
            "`cargo test` runs them with the tests".to_owned(),
        ));
    }
    tests(needs, &["test", "--doc", "--workspace", "--all-features"])
}

fn test_step(needs: &mut Needs) -> Result<Outcome> {
    if has_nextest() {
        // Those that take long wait, for a server, a disk or a deadline: one for each
        // processor would leave it idle for a third of the time.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let at_once = (processors * 2).to_string();
        let arguments = ["nextest", "run", "--workspace", "--all-features"];
        let how = ["--no-fail-fast", "--test-threads", &at_once];
        return tests(needs, &[&arguments[..], &how].concat());
    }
    tests(
        needs,
        &["test", "--workspace", "--all-features", "--no-fail-fast"],
    )
}

fn tests(needs: &mut Needs, arguments: &[&str]) -> Result<Outcome> {
    let mut command = cargo();
    needs.give(&mut command)?;
    finish(command.args(arguments))
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
