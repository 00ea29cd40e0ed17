//! What the tests stand on: a world (store, model, door, clock, runtime), lives
//! of a process, and conversations as transcripts.

mod life;
mod puppet;
mod records_first;
mod transcript;
mod world;

pub use life::{life, pass};
pub use puppet::Act;
pub use transcript::check;
pub use world::{Setup, World, error, inbound, secs};
