//! Which call gets which fault.

use std::collections::BTreeMap;

use zupa_core::Error;

/// The methods of `Store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `recover`.
    Recover,
    /// `write`.
    Write,
    /// `heartbeat`.
    Heartbeat,
    /// `due`.
    Due,
    /// `due_deliveries`.
    DueDeliveries,
    /// `expire`.
    Expire,
    /// `hasten`.
    Hasten,
    /// `history`.
    History,
    /// `backlog`.
    Backlog,
    /// `purge`.
    Purge,
    /// `forget_news`.
    ForgetNews,
    /// `purge_failures`.
    PurgeFailures,
    /// `checkpoint`.
    Checkpoint,
    /// `close`.
    Close,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It fails and nothing is applied.
    Fail(Error),
    /// It is applied, and the answer is replaced by this error.
    FailAfter(Error),
    /// It never answers and nothing is applied.
    Hang,
    /// The process is gone before anything is applied.
    CrashBefore,
    /// The process is gone after it was applied.
    CrashAfter,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    made: BTreeMap<Call, u64>,
    once: Vec<(Option<Call>, u64, Fault)>,
    always: BTreeMap<Call, Fault>,
}

impl Plan {
    pub fn once(&mut self, call: Option<Call>, nth: u64, fault: Fault) {
        self.once.push((call, self.calls(call) + nth, fault));
    }

    pub fn always(&mut self, call: Call, fault: Fault) {
        self.always.insert(call, fault);
    }

    pub fn heal(&mut self) {
        self.once.clear();
        self.always.clear();
    }

    pub fn calls(&self, call: Option<Call>) -> u64 {
        match call {
            Some(call) => self.made.get(&call).copied().unwrap_or_default(),
            None => self.made.values().sum(),
        }
    }

    /// Counts a call and says what happens to it.
    pub fn next(&mut self, call: Call) -> Option<Fault> {
        *self.made.entry(call).or_default() += 1;
        let hit = self.once.iter().position(|(wanted, nth, _)| {
            wanted.is_none_or(|wanted| wanted == call) && self.calls(*wanted) == *nth
        });
        match hit {
            Some(place) => Some(self.once.remove(place).2),
            None => self.always.get(&call).cloned(),
        }
    }
}
