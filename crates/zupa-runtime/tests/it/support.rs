//! What the tests stand on: a world (store, model, door, clock, runtime), lives
//! of a process, and conversations as transcripts.

mod held_up;
mod life;
mod puppet;
mod records_first;
mod replicas;
mod transcript;
mod world;

pub use held_up::Touchy;
pub use life::{life, pass};
pub use puppet::Act;
pub use replicas::{Replicas, awake, away, phones, unheard};
pub use transcript::check;
pub use world::{DOOR, Setup, World, error, inbound, secs};
