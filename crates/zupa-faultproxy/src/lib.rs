#![doc = include_str!("../README.md")]

mod flow;
mod proxy;
mod toxic;

pub use proxy::{Counts, Proxy};
pub use toxic::{Direction, Toxic};
