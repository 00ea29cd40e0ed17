//! What the tests stand on: a world (store, model, door, clock, runtime), lives
//! of a process, and conversations as transcripts.

mod fate;
mod forgetful;
mod held_up;
mod life;
mod meddler;
mod operator;
mod puppet;
mod records_first;
mod replicas;
mod shop;
mod silent;
mod speech;
mod transcript;
mod world;

pub use fate::{Fate, FatedStore};
pub use forgetful::Forgetful;
pub use held_up::{Sign, Touchy};
pub use life::{life, pass};
pub use meddler::{Meddle, Meddler};
pub use operator::{act, conversation_of, decide, decide_one, end_session, hold, kept, release};
pub use puppet::Act;
pub use replicas::{Replicas, awake, away, phones, unheard};
pub use shop::{Shop, earn};
pub use silent::Silent;
pub use speech::voice;
pub use transcript::check;
pub use world::{DOOR, Setup, World, door, error, inbound, secs};
