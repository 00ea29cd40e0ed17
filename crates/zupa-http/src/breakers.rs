//! The breakers of this process, as operators see and turn them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A breaker, and what it has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    /// What it stands in front of: `model/…`, `channel/…`, `tool/…`.
    pub name: String,
    /// `closed`, `open` or `half_open`.
    pub state: String,
    /// Failed calls of the window, in percent; none without calls.
    pub failure_percent: Option<f64>,
    /// Calls that ended within the window.
    pub recent_calls: u64,
    /// Calls that succeeded since the start.
    pub succeeded: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were not made.
    pub refused: u64,
    /// Times that it opened.
    pub opened: u64,
    /// Seconds until a call goes through again; none while it is closed, and none while
    /// it is held open by hand.
    pub next_probe_in_seconds: Option<f64>,
}

/// How a breaker is turned by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// No call goes through until it is closed by hand.
    Open,
    /// Every call goes through, and what was counted is forgotten.
    Closed,
}

impl Position {
    /// Reads the word of a path: `open` or `close`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "open" => Some(Self::Open),
            "close" => Some(Self::Closed),
            _ => None,
        }
    }
}

type List = dyn Fn() -> Vec<Breaker> + Send + Sync;
type Turn = dyn Fn(&str, Position) -> bool + Send + Sync;

/// The breakers of whoever runs the path.
#[derive(Clone)]
pub struct Breakers {
    list: Arc<List>,
    turn: Arc<Turn>,
}

impl Breakers {
    /// By how they are listed, and how one is turned: false for a name that is unknown.
    pub fn new(
        list: impl Fn() -> Vec<Breaker> + Send + Sync + 'static,
        turn: impl Fn(&str, Position) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            list: Arc::new(list),
            turn: Arc::new(turn),
        }
    }

    pub(crate) fn list(&self) -> Vec<Breaker> {
        (self.list)()
    }

    pub(crate) fn turn(&self, name: &str, position: Position) -> bool {
        (self.turn)(name, position)
    }
}

impl Default for Breakers {
    /// None at all.
    fn default() -> Self {
        Self::new(Vec::new, |_, _| false)
    }
}

impl fmt::Debug for Breakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Breakers")
    }
}
