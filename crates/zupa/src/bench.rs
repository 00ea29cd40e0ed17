//! `zupa bench`: the path on this machine, beside what its disk can do.

use clap::Args;

use crate::cli::{Code, Failure};

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the benchmark.
pub fn run(_arguments: &BenchArguments) -> Result<Code, Failure> {
    Ok(Code::Ok)
}
