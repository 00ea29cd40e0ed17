//! The kitchen: a world outside that outlives the agent's process, and that knows its
//! orders by their keys.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind as Io, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zupa::core::{Error, ErrorKind, Outcome, Result};

/// A folder with a file for each order, named by its key.
#[derive(Debug)]
pub struct Kitchen {
    orders: PathBuf,
}

impl Kitchen {
    /// The kitchen of a shop.
    pub fn at(folder: &Path) -> Self {
        Self {
            orders: folder.join("orders"),
        }
    }

    /// Cooks, unless this very order is known. Takes a moment, in which anything may
    /// happen.
    pub async fn cook(&self, key: &str, burger: &str) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let failed = |source: std::io::Error| {
            Error::new(ErrorKind::Unavailable, "the kitchen cannot be reached")
                .with_outcome(Outcome::NotApplied)
                .with_source(source)
        };
        fs::create_dir_all(&self.orders).map_err(failed)?;
        let order = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.orders.join(key));
        match order {
            Ok(mut order) => order.write_all(burger.as_bytes()).map_err(failed)?,
            Err(known) if known.kind() == Io::AlreadyExists => {}
            Err(source) => return Err(failed(source)),
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(())
    }

    /// Every order, by key.
    pub fn orders(&self) -> std::io::Result<Vec<String>> {
        let names = fs::read_dir(&self.orders)?.map(|entry| Ok(entry?.file_name()));
        names
            .map(|name: std::io::Result<_>| Ok(name?.to_string_lossy().into_owned()))
            .collect()
    }
}
