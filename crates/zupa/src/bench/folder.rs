//! Where the databases lie while they are measured, and what the process weighs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cannot;
use crate::cli::Failure;

/// The default, on the file system of the working directory.
const HOME: &str = ".zupa";

/// A folder that goes when the benchmark ends.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a folder of our own, in `parent` if it was named.
    pub(super) fn make(parent: Option<&Path>) -> Result<Self, Failure> {
        let name = format!("bench-{}", std::process::id());
        let path = parent.unwrap_or(Path::new(HOME)).join(name);
        fs::create_dir_all(&path)
            .map_err(cannot("make its folder"))
            .map_err(|failure| failure.try_this("another folder with --dir"))?;
        Ok(Self { path })
    }

    /// A database of the given name, with nothing there yet.
    pub(super) fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.path.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(cannot("empty its folder"))?;
        }
        fs::create_dir_all(&folder).map_err(cannot("make its folder"))?;
        Ok(folder.join("bench.db"))
    }

    /// Writes a file beside the databases.
    #[cfg(feature = "postgres")]
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let file = self.path.join(name);
        fs::write(&file, text).map_err(cannot("write to its folder"))?;
        Ok(file)
    }

    /// Gives the room of a database back.
    pub(super) fn forget(&self, name: &str) {
        let _ = fs::remove_dir_all(self.path.join(name));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover is in nobody's way, and its parent goes only when empty.
        let _ = fs::remove_dir_all(&self.path);
        if let Some(parent) = self.path.parent().filter(|parent| parent.ends_with(HOME)) {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// What this process has had of the processors, in hundredths of a second as the kernel
/// tells it; nothing where it does not.
pub(super) fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the program's name, which may hold anything, it is the 12th and the 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Memory of this process that is in RAM, in bytes; 0 where it is not told.
pub(super) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}
