//! What the store wants to know.

use std::path::PathBuf;

/// Where and how to keep the store.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The database file. Its folder is made if it is missing.
    pub path: PathBuf,
    /// What a commit waits for. Default: full.
    pub durability: Durability,
    /// Connections for reading. Default: 2.
    pub readers: u32,
    /// Page cache of the writer, in KiB. Default: 16,384.
    pub cache_kib: u32,
    /// Planted bug, for showing that checkers catch it.
    #[cfg(feature = "faults")]
    pub planted: crate::Planted,
}

/// What a commit that somebody outside is told about waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A flush to disk: survives power loss.
    #[default]
    Full,
    /// The operating system: survives the death of the process. The last
    /// moments before a power loss may be gone, though acknowledged.
    Normal,
}

impl SqliteConfig {
    /// The defaults for a file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Full,
            readers: 2,
            cache_kib: 16 * 1024,
            #[cfg(feature = "faults")]
            planted: crate::Planted::None,
        }
    }

    pub(crate) fn planted(&self) -> crate::faults::Planted {
        #[cfg(feature = "faults")]
        return self.planted;
        #[cfg(not(feature = "faults"))]
        crate::faults::Planted::None
    }
}
