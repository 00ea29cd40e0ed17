//! `zupa db`: the store as a whole.

mod backup;
mod migrate;
mod restore;
mod sidecar;
mod status;

use std::path::Path;

use zupa::config::{Config, Engine};

use super::arguments::{DbCommand, Global};
use super::check;
use super::failure::{Code, Failure};

/// Runs `zupa db …`.
pub async fn db(global: &Global, command: &DbCommand) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    match command {
        DbCommand::Migrate(output) => migrate::migrate(&config, output).await,
        DbCommand::Status(output) => status::status(&config, output).await,
        DbCommand::Backup(backup) => backup::backup(&config, backup),
        DbCommand::Restore(restore) if restore.drill => restore::drill(&config, restore).await,
        DbCommand::Restore(restore) => restore::restore(&config, restore),
    }
}

/// The file of the store; the others are backed up by means of their own, which
/// `instead` names.
fn file<'a>(
    config: &'a Config,
    what: &str,
    instead: impl Fn(&str) -> String,
) -> Result<&'a Path, Failure> {
    match config.store.url.engine() {
        Engine::File(path) => Ok(path),
        Engine::Memory => Err(Failure::new(
            Code::Failed,
            format!("a store in memory has no {what}"),
        )
        .because("it goes with its process")
        .try_this("keep the store in `sqlite://PATH`")),
        Engine::Postgres => Err(Failure::new(
            Code::Failed,
            format!("the {what} of a Postgres store is a matter of Postgres"),
        )
        .because("its own tools copy a database that several processes serve, and know its roles")
        .try_this(instead(&config.store.url.without_password()))),
    }
}
