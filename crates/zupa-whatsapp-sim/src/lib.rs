#![doc = include_str!("../README.md")]
//!
//! ---
//!
//! Reading order: `options` (the plan), `simulator`, `phone` and `group` (what a test holds),
//! `world` and `person` (what Meta knows), `graph` (what a business asks), `rates`, `fate`
//! (what becomes of a send), `webhook` (what a business is told), `record` (for judges), `page` (for a person's eyes).

mod clock;
mod dice;
mod fate;
mod graph;
mod group;
mod options;
mod page;
mod person;
mod phone;
mod rates;
mod record;
mod shared;
mod simulator;
mod webhook;
mod world;

pub use fate::Fate;
pub use group::Group;
pub use options::{Faults, Limits, Number, Options, Posting};
pub use person::{Identity, Level, Said, Seen};
pub use phone::{Phone, Written};
pub use record::{Attempt, End, Limit, Posted, Record, Violation};
pub use simulator::Simulator;
pub use webhook::{escaped, signature};
