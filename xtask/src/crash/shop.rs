//! The burger shop under kills: the example plays and judges itself, with as many kills
//! as there are cycles. Models, tools, a confirmation and side messages are in it. Each
//! order is placed once, and no call of the model whose answer was recorded is paid again.

use std::process::Command;

use anyhow::{Context as _, ensure};

use super::Options;
use super::stage::root;

/// People for each kill, so that it does not end before the last one.
const PEOPLE_PER_KILL: u32 = 4;

/// Builds the example and plays it.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "run",
        "--quiet",
        "--package",
        "zupa",
        "--example",
        "burger_shop",
    ]);
    if options.release {
        cargo.arg("--release");
    }
    let people = (options.cycles * PEOPLE_PER_KILL).max(3);
    let numbers = [
        ("--people", u64::from(people)),
        ("--kills", u64::from(options.cycles)),
        ("--seed", options.seed),
    ];
    cargo.arg("--");
    for (flag, number) in numbers {
        cargo.args([flag, &number.to_string()]);
    }
    let status = cargo
        .current_dir(root())
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the burger shop found something wrong");
    Ok(())
}
