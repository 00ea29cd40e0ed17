#![doc = include_str!("../README.md")]

pub mod channel;
pub mod clock;
pub mod contract;
pub mod faulty;
pub mod ids;
pub mod memory;
pub mod speech;

pub use channel::{Answer, RecordingChannel};
pub use clock::{ManualClock, TokioClock};
pub use faulty::{Call, Fault, FaultyStore};
pub use ids::SeqIds;
pub use memory::{MemoryStore, Planted};
pub use speech::{Ear, MUMBLE, Mouth, Throat};
