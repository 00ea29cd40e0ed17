#![doc = include_str!("../README.md")]

// The path, in its order.
mod accept;
mod claim;
mod commit;
mod deliver;
mod turn;

// What the path stands on.
mod faults;
mod housekeeping;
mod memory;
mod retry;
mod runtime;
mod settings;
mod wakeup;
mod writer;

// Adapters that need nothing from outside.
mod null_channel;
mod scripted;
mod system;

#[cfg(feature = "faults")]
pub use faults::Faults;
pub use null_channel::NullChannel;
pub use runtime::{Builder, Drained, Runtime};
pub use scripted::{Rule, Script, ScriptedModel};
pub use settings::{Agent, Settings};
pub use system::{SystemClock, SystemIds, SystemSecrets};
pub use wakeup::InProcessWakeup;
pub use writer::Health;
