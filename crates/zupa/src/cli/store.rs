//! The store that the configuration names: which adapter, opened how, and where
//! the serving process leaves its marks for other commands.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zupa::config::{Config, Durability, Engine};
use zupa_core::{Desk, IdempotencyKeys, Store, Wakeup};
use zupa_runtime::resilience::{GuardedDesk, GuardedKeys};
use zupa_sqlite::{SqliteConfig, SqliteStore};

use super::environment;
use super::failure::{Code, Failure};

/// Where commands look for a serving process whose store is no file.
const HOME: &str = ".zupa";

/// What a command wants of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To serve it: hints from other processes, too.
    Serve,
    /// To bring its schema up to this build.
    Migrate,
    /// To look into it, or to decide what it waits for. A server's schema stays as it is, since other processes
    /// may be serving it.
    Read,
}

/// An open store.
pub struct Opened {
    pub store: Arc<dyn Store>,
    pub desk: Arc<dyn Desk>,
    pub keys: Arc<dyn IdempotencyKeys>,
    /// Hints from other processes; none where there can be no others.
    pub wakeup: Option<Arc<dyn Wakeup>>,
    /// Goes after the store that lies in it.
    pub folder: Option<Folder>,
}

/// Opens the store; a file's schema is brought up to this build in any case. Commands and
/// routes wait for it no longer than the path does.
pub async fn open(config: &Config, purpose: Purpose) -> Result<Opened, Failure> {
    let opened = match config.store.url.engine() {
        Engine::File(path) => file(sqlite(config, path), None).await?,
        Engine::Memory => forgetful(config).await?,
        Engine::Postgres => postgres(config, purpose).await?,
    };
    let timeout = Duration::from_millis(config.policy.store.timeout_ms);
    Ok(Opened {
        desk: Arc::new(GuardedDesk::new(opened.desk, timeout)),
        keys: Arc::new(GuardedKeys::new(opened.keys, timeout)),
        ..opened
    })
}

/// Opens a store that goes with the process.
async fn forgetful(config: &Config) -> Result<Opened, Failure> {
    let folder = Folder::make()?;
    let mut sqlite = sqlite(config, &folder.path.join("zupa.db"));
    // There is nothing to survive for.
    sqlite.durability = zupa_sqlite::Durability::Normal;
    file(sqlite, Some(folder)).await
}

/// How to speak of the store: no password in it.
pub fn location(config: &Config) -> String {
    match config.store.url.engine() {
        Engine::File(path) => path.display().to_string(),
        Engine::Memory => "memory; everything is forgotten at the end".to_owned(),
        Engine::Postgres => config.store.url.without_password(),
    }
}

/// What the serving process puts `.token` and `.address` behind: the file, or a
/// name in `.zupa` of the working directory.
pub fn marks(config: &Config) -> PathBuf {
    match config.store.url.engine() {
        Engine::File(path) => path.to_owned(),
        Engine::Memory => Path::new(HOME).join("memory"),
        Engine::Postgres => Path::new(HOME).join("postgres"),
    }
}

/// How to keep a SQLite file.
fn sqlite(config: &Config, path: &Path) -> SqliteConfig {
    let mut sqlite = SqliteConfig::at(path);
    sqlite.cache_kib = config.store.cache_mib.saturating_mul(1_024);
    sqlite.durability = match config.store.durability {
        Durability::Full => zupa_sqlite::Durability::Full,
        Durability::Normal => zupa_sqlite::Durability::Normal,
    };
    #[cfg(feature = "faults")]
    {
        sqlite.planted = super::faults::planted_in_store();
    }
    sqlite
}

async fn file(config: SqliteConfig, folder: Option<Folder>) -> Result<Opened, Failure> {
    let store = Arc::new(SqliteStore::open(config).await?);
    Ok(Opened {
        desk: store.clone(),
        keys: store.clone(),
        store,
        wakeup: None,
        folder,
    })
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &Config, _: Purpose) -> Result<Opened, Failure> {
    // Loading the configuration has refused such a URL.
    Err(Failure::new(
        Code::Config,
        "this zupa was built without the feature postgres",
    ))
}

#[cfg(feature = "postgres")]
async fn postgres(config: &Config, purpose: Purpose) -> Result<Opened, Failure> {
    use zupa_postgres::PostgresStore;

    let postgres = postgres_config(config).await?;
    let store = match purpose {
        Purpose::Serve | Purpose::Migrate => PostgresStore::open(postgres).await?,
        Purpose::Read => PostgresStore::open_to_read(postgres).await?,
    };
    let wakeup = match purpose {
        Purpose::Serve => Some(store.wakeup().await?),
        Purpose::Migrate | Purpose::Read => None,
    };
    let store = Arc::new(store);
    Ok(Opened {
        desk: store.clone(),
        keys: store.clone(),
        store,
        wakeup,
        folder: None,
    })
}

/// How to keep the store in Postgres, with the password from its place.
#[cfg(feature = "postgres")]
pub async fn postgres_config(config: &Config) -> Result<zupa_postgres::PostgresConfig, Failure> {
    use zupa_core::secrets::ExposeSecret;

    let password = match &config.store.password {
        Some(reference) => Some(super::assemble::secret(reference, "store.password").await?),
        None => None,
    };
    let password = password.as_ref().map(ExposeSecret::expose_secret);
    let whole = config.store.url.whole(password);
    let mut postgres = zupa_postgres::PostgresConfig::at(whole.expose_secret())?;
    postgres.durability = match config.store.durability {
        Durability::Full => zupa_postgres::Durability::Full,
        Durability::Normal => zupa_postgres::Durability::Normal,
    };
    postgres.timeout = Duration::from_millis(config.policy.store.timeout_ms);
    postgres.pooled = config.store.pooled;
    #[cfg(feature = "faults")]
    {
        postgres.planted = super::faults::planted_in_postgres();
    }
    Ok(postgres)
}

/// A folder of this process alone, gone when it ends in order.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    fn make() -> Result<Self, Failure> {
        let name = format!("zupa-memory-{}", environment::random_token());
        let path = environment::temporary_folder().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| {
                Failure::new(
                    Code::Permission,
                    format!("{} cannot be made for the store in memory", path.display()),
                )
                .because(error)
            })?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it is in nobody's way.
        let _ = fs::remove_dir_all(&self.path);
    }
}
