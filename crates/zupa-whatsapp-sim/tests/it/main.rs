//! The simulator on real sockets, met by a business that speaks plain HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod business;
mod graph;
mod groups;
mod limits;
mod media;
mod page;
mod webhooks;
