//! The checkers. Each is a function from what was seen to what is wrong with
//! it, and each has tests that show it failing on planted inputs.

pub mod acks;
pub mod conservation;
pub mod coverage;
pub mod duplicates;
pub mod fence;
pub mod integrity;
pub mod latency;
pub mod model;
pub mod order;
pub mod outages;
pub mod sends;
pub mod streams;
pub mod takeover;
pub mod thresholds;
pub mod turns;
pub mod unknown;

use std::fmt;

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Acknowledgements tell the truth: accepted once, then duplicate.
    Acks,
    /// L: replies cover the acknowledged messages exactly and disjointly.
    Coverage,
    /// O: replies follow the order of sending.
    Order,
    /// No reply is seen twice.
    Duplicates,
    /// M: a recorded model result is never paid again.
    Model,
    /// Each turn speaks once, of what it took.
    Turns,
    /// F: a run that was taken over commits nothing.
    Fence,
    /// S: a stream that moves from replica to replica misses and repeats nothing.
    Streams,
    /// W: what left is what was committed, and what may have left twice is listed.
    Sends,
    /// No send is beyond a rate that the platform enforces.
    Pacing,
    /// C: the conservation law, and the right number of ends.
    Conservation,
    /// The database file is sound.
    Integrity,
    /// The poison ends as dead, and nothing else does.
    Quarantine,
    /// The server never ends by itself, and ends when asked.
    Server,
    /// P6: after the faults stop, the backlog drains in time.
    Drain,
    /// The turns of a replica that is gone are taken over in time.
    Takeover,
    /// A stopped replica does not slow the others.
    Latency,
    /// After an outage of the store each replica takes messages again in time.
    Reconnect,
    /// A process that serves for long takes no more and more.
    Resources,
    /// Kills hit every phase often enough.
    Phases,
    /// Enough messages were sent again.
    Redelivery,
}

impl Check {
    /// Whether a finding says something about messages. The others may fail for
    /// reasons of the harness, and catch no planted bug.
    pub fn proves(self) -> bool {
        use Check::*;
        matches!(
            self,
            Acks | Coverage
                | Order
                | Duplicates
                | Model
                | Turns
                | Fence
                | Streams
                | Sends
                | Pacing
                | Conservation
                | Integrity
                | Quarantine
        )
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub check: Check,
    pub detail: String,
}

impl Violation {
    pub fn new(check: Check, detail: impl Into<String>) -> Self {
        Self {
            check,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.detail)
    }
}

/// What the checkers' tests are made of.
#[cfg(test)]
pub mod planted {
    use super::Violation;
    use crate::crash::marks::Mark;
    use crate::crash::oracle::truth::{Sent, Truth};
    use crate::crash::replies::{Replies, Reply};
    use crate::crash::words::{Conversation, Door, Key, tokens};

    pub fn conversation(name: &str) -> Conversation {
        Conversation {
            door: Door::Main,
            name: name.to_owned(),
        }
    }

    pub fn key(name: &str, seq: u32) -> Key {
        Key {
            conversation: conversation(name),
            seq,
        }
    }

    /// Replies of one conversation, numbered from 1, each its own turn.
    pub fn replies(name: &str, texts: &[&str]) -> Replies {
        let reply = |(at, text): (usize, &&str)| Reply {
            number: at as u64 + 1,
            id: format!("t{at}-0"),
            turn: Some(format!("t{at}")),
            tokens: tokens(text),
        };
        Replies::from([(
            conversation(name),
            texts.iter().enumerate().map(reply).collect(),
        )])
    }

    /// Messages 1 to `count`, each accepted once.
    pub fn truth(name: &str, count: u32) -> Truth {
        let sent = |seq: u32| Sent {
            id: format!("{name}-{seq}"),
            accepted: 1,
            ..Sent::default()
        };
        let mut truth = Truth::default();
        truth
            .sent
            .extend((1..=count).map(|seq| (key(name, seq), sent(seq))));
        truth
    }

    /// Marks with the incarnations that wrote them.
    pub fn marks_by(lines: &[(u64, &str)]) -> anyhow::Result<Vec<Mark>> {
        let mark = |(by, line): &(u64, &str)| {
            let mark = Mark::parse(line)?;
            Ok(Mark { by: *by, ..mark })
        };
        lines.iter().map(mark).collect()
    }

    pub fn details(violations: &[Violation]) -> Vec<&str> {
        violations
            .iter()
            .map(|violation| violation.detail.as_str())
            .collect()
    }
}
