//! What can be typed behind `zupa breaker`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
#[command(
    before_help = "Examples:\n  zupa breaker ls\n  zupa breaker open model/gpt-5 --reason \"it stumbles\" --by bea\n  zupa breaker close model/gpt-5"
)]
pub enum BreakerCommand {
    /// List them, with what they have seen.
    Ls(Output),
    /// Let no call through until it is closed by hand.
    Open(TurnBreaker),
    /// Let calls through, and forget what was counted.
    Close(TurnBreaker),
}

impl BreakerCommand {
    /// Whether JSON is wanted.
    pub fn json(&self) -> bool {
        match self {
            Self::Ls(output) => output.json,
            Self::Open(wanted) | Self::Close(wanted) => wanted.output.json,
        }
    }
}

/// Which.
#[derive(Debug, Args)]
pub struct TurnBreaker {
    /// Its name, as `zupa breaker ls` prints it.
    pub name: String,
    /// Why; it stands in the audit.
    #[arg(long)]
    pub reason: Option<String>,
    /// Who does it; nobody checks it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub output: Output,
}
