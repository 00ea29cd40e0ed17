//! What nemesis and oracle tell each other, as JSON lines over the oracle's
//! standard input and output. Nothing here decides truth: that is in the logs.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::words::Conversation;

/// From the nemesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// The replicas listen, or will listen, here.
    Begin { doors: Vec<SocketAddr> },
    /// A replica is about to be started.
    Start { door: usize, incarnation: u64 },
    /// So many messages may have been begun by now.
    Release { messages: u32 },
    /// Send the poisoned conversation with this number.
    Poison { index: u32 },
    /// Report the next acknowledgement of each replica.
    Watch { number: u32 },
    /// No more kills: send the rest without pauses.
    Heal,
    /// The model answers from now on.
    Answer,
    /// Report when the followed streams have shown these numbers.
    CatchUp { numbers: Vec<(Conversation, u64)> },
}

/// From the oracle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// The fake model is there, and so is the Graph API, if there is to be one.
    Listening { port: u16, graph: Option<String> },
    /// The first acknowledgement of an incarnation.
    FirstAck { incarnation: u64, at: u64 },
    /// The poison was acknowledged: what it was sent as, and what the server calls it.
    Poisoned {
        index: u32,
        id: String,
        answer: String,
    },
    /// A replica acknowledges again: the first time since this watch began.
    Back { number: u32, door: usize, at: u64 },
    /// Every message and every repetition has been answered.
    Finished,
    /// The followed streams are where they were to be.
    CaughtUp,
}
