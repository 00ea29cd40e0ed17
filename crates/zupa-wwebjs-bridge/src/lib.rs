#![doc = include_str!("../README.md")]
//!
//! ---
//!
//! Reading order: `config` and `door` (what one phone is), `child` (the sidecar as a
//! process) and `sidecar` (its files), `wire` (what is said between the two), `supervisor`
//! (one life after another), `event` and `accept` (what is heard becomes inbounds and
//! receipts), `channel` (the port that sends), `say` (what can leave), `contacts` (who may be
//! written to), `status`.

mod accept;
mod channel;
mod child;
mod config;
mod contacts;
mod door;
mod event;
mod say;
mod sidecar;
mod status;
mod supervisor;
mod wire;

pub use config::{Pulse, WwebjsConfig};
pub use door::WwebjsBridge;
pub use event::Groups;
pub use status::{Pairing, State, Status};
