//! Store, Desk and Wakeup on Postgres: several processes, one truth.

mod config;
mod desk;
mod error;
mod faults;
mod migrations;
mod open;
mod session;
mod store;
mod wakeup;

pub use config::{Durability, PostgresConfig};
#[cfg(feature = "faults")]
pub use faults::Planted;
pub use migrations::migrations;
pub use open::schema_version;
pub use store::PostgresStore;
pub use wakeup::PostgresWakeup;
