//! `cargo xtask`: the checks, harnesses and chores of the workspace.
//!
//! `ci` is what a pull request must pass, `rules` is the part of it that reads
//! the repository itself, `crash` kills a running server until it breaks,
//! `terminate` asks it to end, `soak` lets it run for long, `overload` asks for more than
//! it can do, `webhooks` posts to it as Meta does, `services` starts what tests talk to.
#![allow(
    clippy::disallowed_methods,
    reason = "tools measure wall time and read the environment; the ports are for what ships"
)]

mod ci;
mod crash;
mod measure;
mod overload;
mod rules;
mod services;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks, harnesses and chores of the Zupa workspace.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs every check of a pull request, in order, and stops at the first failure
    ///
    /// Format, clippy (all features, none, each alone), repository rules, docs,
    /// cargo-deny where it is installed, the consumer crate, a short seeded
    /// crash run, the example, and the tests last.
    Ci(ci::Options),
    /// Checks the repository rules alone: crate arrows, file length, links, secrets and the like
    Rules,
    /// Kills a loaded server with SIGKILL over and over and checks that nothing is lost or doubled
    Crash(crash::Options),
    /// Puts several times its capacity on a server, and checks that it sheds the rest and recovers
    Overload(overload::Options),
    /// Asks a loaded server to end by SIGTERM over and over and checks the same
    Terminate(crash::TerminateOptions),
    /// Serves at a steady rate for half an hour, and measures memory, files and the log
    Soak(crash::SoakOptions),
    /// Posts webhooks of WhatsApp at a rate and measures how soon they are acknowledged, or each three times
    Webhooks(webhooks::Options),
    /// Starts a server that tests need, in the foreground
    Services(services::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Ci(options) => ci::run(options),
        Command::Rules => rules::run(),
        Command::Crash(options) => crash::run(options),
        Command::Overload(options) => overload::run(&options),
        Command::Webhooks(options) => webhooks::run(&options),
        Command::Terminate(options) => crash::run(options.into()),
        Command::Soak(options) => crash::run(options.into()),
        Command::Services(options) => services::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `Debug`, which adds a backtrace of ourselves to every red check.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
