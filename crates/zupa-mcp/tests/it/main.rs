//! The adapter against servers that answer well, oddly, badly or not at all,
//! and against the reference server of the protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod answers;
mod everything;
mod fake;
mod http_answers;
mod http_requests;
mod lives;
mod logs;
mod pins;
mod support;
mod wire;
