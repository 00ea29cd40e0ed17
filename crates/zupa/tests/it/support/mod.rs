//! What the tests share: the process, the wire, the model behind it, the tools
//! around it.

pub mod chrome;
pub mod feed;
pub mod home;
pub mod http;
pub mod load;
#[cfg(feature = "whatsapp-cloud")]
pub mod meta;
pub mod model;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod process;
pub mod server;
pub mod strace;
pub mod tools;
pub mod trace;

use std::time::{Duration, Instant};

pub use feed::{Feed, Line};
pub use http::Connection;
pub use server::{Server, Start};

/// Longer than anything takes that works, on a machine that does other things
/// beside.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer; fails with `what` after [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}"))
}

/// Asks until there is an answer or the time is over.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
