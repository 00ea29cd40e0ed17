//! The tests of the crate, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should say where it stopped"
)]

mod backup;
mod contract;
mod log;
mod migrating;
mod opening;
mod packed;
mod support;
mod upgrading;
