//! Where a command reads: from the serving process where it alone has the store,
//! else from the store.

use std::net::SocketAddr;

use zupa::config::{Config, Engine};
use zupa_sqlite::backup::was_interrupted;
use zupa_sqlite::is_locked;

use super::failure::{Code, Failure};
use super::store::{self, Opened, Purpose};
use super::token;

/// Where to read.
pub enum Source {
    /// The process that holds the store: where it listens, and the token it left.
    Server((SocketAddr, String)),
    /// The store itself.
    Store(Opened),
}

impl Source {
    /// Finds the store that the configuration names.
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        let marks = store::marks(config);
        match config.store.url.engine() {
            Engine::File(path) if is_locked(path) => return Ok(Self::Server(token::read(&marks)?)),
            Engine::File(path) if !path.exists() && !was_interrupted(path) => {
                return Err(Failure::new(
                    Code::NotFound,
                    format!("there is no store at {}", path.display()),
                )
                .try_this("name the one you mean with --set store.url=sqlite://PATH"));
            }
            Engine::Memory => return Ok(Self::Server(token::read(&marks)?)),
            Engine::File(_) | Engine::Postgres => {}
        }
        Ok(Self::Store(store::open(config, Purpose::Read).await?))
    }
}
