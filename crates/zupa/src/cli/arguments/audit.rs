//! What can be typed behind `zupa audit`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
#[command(before_help = "Examples:\n  zupa audit ls\n  zupa audit ls --limit 20 --json")]
pub enum AuditCommand {
    /// List what was done to the installation as a whole, newest first. What was done to a
    /// conversation stands in its turns: `zupa turn show`.
    Ls(ListAudit),
}

impl AuditCommand {
    /// Whether JSON is wanted.
    pub fn json(&self) -> bool {
        match self {
            Self::Ls(list) => list.output.json,
        }
    }
}

/// Which entries.
#[derive(Debug, Args)]
pub struct ListAudit {
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    /// Only older ones than this; the last of a list leads to the next.
    #[arg(long, value_name = "NUMBER")]
    pub before: Option<u64>,
    #[command(flatten)]
    pub output: Output,
}
