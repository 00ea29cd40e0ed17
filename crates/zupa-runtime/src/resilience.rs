//! What stands between the path and its ports: deadlines, retries, budgets and breakers.
//!
//! [`Policy`] is the one engine; the wrappers, one for each port, forward to the port
//! through it. The path is given nothing but wrappers, so it reaches no port without a
//! deadline. [`Breaker`] is of use without all that, too.

mod backoff;
mod breaker;
mod budget;
mod policy;
mod window;

mod channel;
mod desk;
mod guards;
mod keys;
mod model;
mod speech;
mod store;
mod tool;

pub use backoff::{Backoff, Jitter};
pub use breaker::{
    Breaker, BreakerBuilder, BreakerMetrics, BreakerRules, BreakerState, BreakerTotals, Permit,
};
pub use budget::Budget;
pub use desk::GuardedDesk;
pub use keys::GuardedKeys;
pub use policy::{Call, CallPolicy, Policies, Policy, Repeat, TurnRetries};

pub(crate) use channel::GuardedChannel;
pub(crate) use guards::Guards;
pub(crate) use model::{Models, Watch};
pub(crate) use store::GuardedStore;
pub(crate) use tool::GuardedTool;

/// The longest that waits between tries may take within a turn. Longer ones are rows, so
/// that nobody sleeps on a worker's time.
pub(crate) const IN_TURN: std::time::Duration = std::time::Duration::from_secs(2);
