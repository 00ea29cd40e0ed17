//! Where a program keeps what it writes while it is measured.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zupa_core::{Store, Wakeup};
use zupa_sqlite::{SqliteConfig, SqliteStore};

use super::workload::Durability;
use crate::cli::Failure;

/// A place with nothing in it yet, or with what an earlier process left.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// A SQLite file.
    File(PathBuf),
    /// A Postgres database, as a URL that may hold a password.
    #[cfg(feature = "postgres")]
    Database(String),
}

/// A store in its place, and what `zupa serve` would open beside it.
pub(super) struct Opened {
    pub store: Arc<dyn Store>,
    pub wakeup: Option<Arc<dyn Wakeup>>,
}

impl Place {
    /// The file; the floor has no other place.
    pub(super) fn file(&self) -> Result<&Path, Failure> {
        match self {
            Self::File(file) => Ok(file),
            #[cfg(feature = "postgres")]
            Self::Database(_) => Err(Failure::new(
                crate::cli::Code::Usage,
                "this measurement is made on a SQLite file",
            )),
        }
    }

    /// Opens the store as `zupa serve` does.
    pub(super) async fn open(&self, durability: Durability) -> Result<Opened, Failure> {
        match self {
            Self::File(file) => {
                let mut config = SqliteConfig::at(file);
                config.durability = match durability {
                    Durability::Full => zupa_sqlite::Durability::Full,
                    Durability::Normal => zupa_sqlite::Durability::Normal,
                };
                Ok(Opened {
                    store: Arc::new(SqliteStore::open(config).await?),
                    wakeup: None,
                })
            }
            #[cfg(feature = "postgres")]
            Self::Database(url) => {
                let mut config = zupa_postgres::PostgresConfig::at(url)?;
                config.durability = match durability {
                    Durability::Full => zupa_postgres::Durability::Full,
                    Durability::Normal => zupa_postgres::Durability::Normal,
                };
                let store = zupa_postgres::PostgresStore::open(config).await?;
                let wakeup = Some(store.wakeup().await?);
                Ok(Opened {
                    store: Arc::new(store),
                    wakeup,
                })
            }
        }
    }
}
