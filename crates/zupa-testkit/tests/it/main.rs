//! The testkit tested: the suite on the reference store, the suite on planted
//! defects, and the doubles.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are test code, too"
)]

mod channel;
mod doors;
mod faults;
mod memory;
mod planted;
mod speech;
