//! The binary `zupa`.

mod bench;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
