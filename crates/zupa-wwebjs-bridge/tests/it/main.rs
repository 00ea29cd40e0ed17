//! A phone over the true wire: the real sidecar, with a stand-in for the library.

// Helpers count as production code to clippy; here a failed unwrap is the report.
#![allow(clippy::unwrap_used)]

mod browser;
mod contract;
mod deaths;
mod kinds;
mod media;
mod node;
mod outage;
mod phone;
mod sends;
mod support;
