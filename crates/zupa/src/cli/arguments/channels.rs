//! What can be typed behind `zupa channels`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
#[command(
    before_help = "Examples:\n  zupa channels ls\n  zupa channels show phone      its state, and the code that links it while it waits"
)]
pub enum ChannelsCommand {
    /// List them, and how each stands.
    Ls(Output),
    /// Print how one stands; while a phone waits to be linked, the code to give it.
    Show(ChannelName),
}

impl ChannelsCommand {
    /// Whether JSON is wanted.
    pub fn json(&self) -> bool {
        match self {
            Self::Ls(output) => output.json,
            Self::Show(wanted) => wanted.output.json,
        }
    }
}

/// Which.
#[derive(Debug, Args)]
pub struct ChannelName {
    /// Its id in the configuration.
    pub id: String,
    #[command(flatten)]
    pub output: Output,
}
