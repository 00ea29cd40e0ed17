//! Dead letters on their way out, as a file: one JSON object a line, as `zupa dlq export
//! --content` prints them.
//!
//! *Arrives*: dead letters with all that is known of them.
//! *Leaves*: a whole file on disk under its name, or an error and no such file.
//! *If the process dies here*: a file that ends with `.part` may be left; it counts for
//! nothing.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zupa_core::{DeadLetterView, Error, ErrorKind, ProcessId, Result, Timestamp};

/// A name that no other file has: one process writes one at a time.
pub(super) fn name(at: Timestamp, process: ProcessId) -> String {
    let at = at.to_string().replace(':', "-");
    format!("dead-letters-{at}-{process}.ndjson")
}

/// Writes them, flushed to the disk, for the eyes of this user alone: they hold what
/// people said.
pub(super) async fn write(path: PathBuf, views: Vec<DeadLetterView>) -> Result<()> {
    let shown = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || on_disk(&path, &views)).await;
    let failed = |source| {
        Error::new(
            ErrorKind::Unavailable,
            "dead letters could not be written down",
        )
        .with("path", shown)
        .with_source(source)
    };
    written
        .unwrap_or_else(|ended| Err(ended.into()))
        .map_err(failed)
}

fn on_disk(path: &Path, views: &[DeadLetterView]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let part = path.with_extension("ndjson.part");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    let mut lines = BufWriter::new(file.open(&part)?);
    for view in views {
        serde_json::to_writer(&mut lines, view)?;
        lines.write_all(b"\n")?;
    }
    let file = lines
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    // The name, too, has to be there after a power cut.
    File::open(folder)?.sync_all()
}
