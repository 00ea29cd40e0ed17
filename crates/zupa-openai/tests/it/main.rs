//! The adapter against servers that answer well, oddly, badly or not at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod answers;
mod bad_answers;
mod broken_links;
mod calls;
mod cancel;
mod contract;
mod golden;
mod lenient;
mod logs;
mod request;
mod server;
mod silence;
mod speech;
mod structured;
mod support;
