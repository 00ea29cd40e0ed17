#![doc = include_str!("../README.md")]

// The path, in its order.
mod accept;
mod claim;
mod commit;
mod deliver;
mod turn;

// What a turn runs.
mod agent;
mod graph;
mod tools;

// What the path stands on.
mod admission;
mod doors;
mod faults;
mod fit;
mod housekeeping;
mod memory;
mod quiet;
mod remind;
pub mod resilience;
mod retry;
mod runtime;
mod settings;
mod standing;
mod steady;
mod wakeup;
mod writer;

// Adapters that need nothing from outside.
mod null_channel;
mod scripted;
mod system;
mod telemetry;

pub use admission::MachineLoad;
pub use agent::{
    Agent, AgentTurn, Attached, BeforeReply, CallResult, Came, Command, CommandContext,
    CommandReply, CommandRole, ContextProvider, EndReason, Episode, Kept, Language, Modality,
    OnModelDown, OnReply, Pace, ReplyVerdict, ReviewWords, Session, Talk, Update,
};
#[cfg(feature = "faults")]
pub use faults::Faults;
pub use graph::{
    Ending, Exit, Graph, GraphBuilder, Left, Move, Node, NodeFn, Question, State, SubGraph, ends,
    leaves, to, waits,
};
pub use null_channel::NullChannel;
pub use quiet::QuietHours;
pub use runtime::{Builder, Drained, Runtime};
pub use scripted::{
    Rule, Script, ScriptedCall, ScriptedModel, ScriptedSynthesizer, ScriptedTranscriber,
};
pub use settings::{JournalMode, Settings};
pub use system::{SystemClock, SystemIds, SystemSecrets};
pub use tools::{Confirm, ToolFn, Tools, tool};
pub use turn::{Called, Cx, Late, Review, Stop};
pub use wakeup::InProcessWakeup;
pub use writer::Health;
