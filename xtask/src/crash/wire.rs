//! What nemesis and oracle tell each other, as JSON lines over the oracle's
//! standard input and output. Nothing here decides truth: that is in the logs.

use serde::{Deserialize, Serialize};

/// From the nemesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// The server listens, or will listen, on this port.
    Begin { port: u16 },
    /// A server is about to be started.
    Start { incarnation: u64 },
    /// So many messages may have been begun by now.
    Release { messages: u32 },
    /// Send the poisoned conversation with this number.
    Poison { index: u32 },
    /// No more kills: send the rest without pauses.
    Heal,
}

/// From the oracle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// The fake model is there.
    Listening { port: u16 },
    /// The first acknowledgement of an incarnation.
    FirstAck { incarnation: u64, at: u64 },
    /// The poison was acknowledged: what it was sent as, and what the server calls it.
    Poisoned {
        index: u32,
        id: String,
        answer: String,
    },
    /// Every message and every repetition has been answered.
    Finished,
}
