#![doc = include_str!("../README.md")]

pub mod backup;
pub mod config;
mod desk;
mod error;
mod faults;
mod lock;
mod open;
mod store;

pub use config::{Durability, SqliteConfig};
#[cfg(feature = "faults")]
pub use faults::Planted;
pub use lock::is_locked;
pub use open::{migrations, wanted_version};
pub use store::SqliteStore;
