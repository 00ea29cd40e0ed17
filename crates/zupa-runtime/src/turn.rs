//! Stop 3, `turn`: a run of the agent's graph.
//!
//! *Arrives*: a claimed range with what earlier runs recorded.
//! *Leaves*: how the run ends. Nothing is written but its journal: intents of
//! effects that matter, and results.
//! *If the process dies here*: recorded results are reused by the next run; an
//! effect that was not recorded is made again, unless it left an intent: then its
//! class decides.
//!
//! The graph is in `graph`, the agent's own in `agent`; here is what they stand
//! on.

mod approvals;
mod call;
mod called;
mod cx;
mod effects;
mod given;
mod journal;
mod purse;
mod run;
mod say;
mod stop;

pub(crate) use call::{PlannedCall, Which};
pub use called::{Called, Late};
pub use cx::Cx;
pub(crate) use cx::{Gathered, Noted};
pub(crate) use effects::{MAX_CALLS, evidence};
pub(crate) use given::Given;
pub(crate) use journal::Journal;
pub(crate) use purse::{Purse, estimate};
pub(crate) use run::{Path, Run};
pub(crate) use stop::{About, Before, version_mismatch};
pub use stop::{Review, Stop};
