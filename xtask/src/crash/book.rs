//! The book of faults: what was done to which replica, when. The checkers read
//! it beside the marks and the oracle's log; all times are unix microseconds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::network::Cut;

#[derive(Debug, Default)]
pub struct Book {
    pub departures: Vec<Departure>,
    pub pauses: Vec<Pause>,
    pub outages: Vec<Outage>,
    pub terminated: u32,
}

impl Book {
    /// True while nobody was stopped, and the store was always there.
    pub fn is_empty(&self) -> bool {
        self.pauses.is_empty() && self.outages.is_empty()
    }
}

/// A replica that left turns behind: it was killed, or stopped for too long.
#[derive(Debug, Clone)]
pub struct Departure {
    pub incarnation: u64,
    pub at: u64,
    pub turns: Vec<String>,
}

/// A replica between SIGSTOP and SIGCONT.
#[derive(Debug, Clone)]
pub struct Pause {
    pub replica: usize,
    pub incarnation: u64,
    pub from: u64,
    pub to: u64,
    /// What it had under way.
    pub turns: Vec<String>,
}

impl Pause {
    pub fn overlaps(&self, from: u64, to: u64) -> bool {
        self.from < to && from < self.to
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Restart,
    Cut,
}

/// A time without the store, for all replicas or for some.
#[derive(Debug, Clone)]
pub struct Outage {
    pub kind: Kind,
    /// How it was cut, where it was.
    pub how: Option<Cut>,
    pub replicas: Vec<usize>,
    pub incarnations: Vec<u64>,
    /// When the first harm was done, before the store was gone altogether.
    pub since: u64,
    pub from: u64,
    pub to: u64,
    /// When each replica acknowledged again.
    pub back: BTreeMap<usize, u64>,
}

impl Outage {
    /// How long each of its replicas took to acknowledge again, in microseconds;
    /// nothing for one that did not.
    pub fn recoveries(&self) -> impl Iterator<Item = (usize, Option<u64>)> {
        let since = |at: &u64| at.saturating_sub(self.to);
        self.replicas
            .iter()
            .map(move |replica| (*replica, self.back.get(replica).map(since)))
    }

    pub fn covers(&self, replica: usize, from: u64, to: u64) -> bool {
        let end = self.back.get(&replica).copied().unwrap_or(u64::MAX);
        self.replicas.contains(&replica) && self.from < to && from < end
    }
}
