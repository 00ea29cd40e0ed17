//! The path, tested through its public API: a runtime over the memory store, a
//! model and doors that tests own, and time that tests own, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are test code, too"
)]

mod support;

mod admission;
mod bursts;
mod crash_matrix;
mod duplicates;
mod giving_up;
mod journal;
mod living;
mod news;
mod one_message;
mod order;
mod prompt;
mod provider;
mod replicas;
mod tenants;
mod unheard;
