//! What a number understands of what is posted, and what it makes of the Graph API's
//! answers, seen from outside the crate.

// Helpers count as production code to clippy; here a failed unwrap is the report.
#![allow(clippy::unwrap_used)]

mod batches;
mod contract;
mod fuzz;
mod groups;
mod handshake;
mod messages;
mod people;
mod send;
mod signatures;
mod signs;
mod statuses;
mod support;
