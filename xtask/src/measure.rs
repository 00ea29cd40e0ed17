//! How a measurement of a server is begun: on what is released, and until it is done or
//! somebody interrupts it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::crash::build;

/// Runs `work` on this binary, or on one that is built for it with the release profile.
pub fn measure(
    binary: Option<&PathBuf>,
    work: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let binary = match binary {
        Some(binary) => binary
            .canonicalize()
            .with_context(|| format!("there is no {}", binary.display()))?,
        None => build::release()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            done = work(&binary) => done,
            // Dropping the work kills the server it started.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}
