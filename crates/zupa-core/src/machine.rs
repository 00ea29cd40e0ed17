//! A typed state machine, usable on its own.
//!
//! States and events are plain enums of yours. A table says which event leads
//! where; guards may refuse, entry and exit actions run on the way, and a child
//! state inherits the transitions of its parent. The table is checked when it
//! is built, and every problem is reported at once. The machine holds no
//! state: what persists is a [`Snapshot`], a small serialisable value with a
//! revision, so that of two concurrent transitions one wins and the other gets
//! a conflict. Nothing here does IO or reads a clock: time comes in as a
//! [`Timestamp`](crate::Timestamp), and a timeout goes out as a [`Timer`] for
//! the caller to keep.
//!
//! ```
//! use std::time::Duration;
//! use zupa_core::Timestamp;
//! use zupa_core::machine::{Event, StateMachineRegistry};
//!
//! #[derive(Debug, Clone, Copy, PartialEq, Eq)]
//! enum Order { Open, Paid, Cancelled }
//! #[derive(Debug, Clone, Copy, PartialEq, Eq)]
//! enum News { Payment, Silence }
//! impl Event for News { type State = Order; }
//! struct Cart { price: u32, paid: u32 }
//!
//! let orders = StateMachineRegistry::<Cart, News>::builder(Order::Open)
//!     .states([Order::Open, Order::Paid, Order::Cancelled])
//!     .on_if(Order::Open, News::Payment, Order::Paid, |cart, _| cart.paid >= cart.price)
//!     .on(Order::Open, News::Silence, Order::Cancelled)
//!     .timeout(Order::Open, Duration::from_secs(900), News::Silence)
//!     .finals([Order::Paid, Order::Cancelled])
//!     .build()?;
//!
//! let (mut cart, mut order) = (Cart { price: 10, paid: 4 }, orders.begin(Timestamp(0)));
//! assert_eq!(orders.available(order.state(), &cart), [News::Silence]);
//! assert!(orders.transition(&mut order, News::Payment, &mut cart, Timestamp(1)).is_err());
//! assert_eq!(order.state(), Order::Open); // refused: unchanged
//! cart.paid = 10;
//! let moved = orders.transition(&mut order, News::Payment, &mut cart, Timestamp(2))?;
//! assert_eq!((moved.passage.to, order.revision()), (Order::Paid, 1));
//! # Ok::<(), zupa_core::Error>(())
//! ```
//!
//! An event carries nothing: what a guard needs to know lies in the context
//! `C`. That is what makes [`available`](StateMachineRegistry::available)
//! exact, and a timer able to hold its event.
//!
//! [`conversation`] is the machine every conversation goes through.

mod builder;
mod check;
pub mod conversation;
mod error;
mod problem;
mod registry;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

pub use builder::Builder;
pub use conversation::ConversationMachine;
pub use error::TransitionError;
pub use problem::{BuildError, Problem};
pub use registry::StateMachineRegistry;
pub use snapshot::{Moved, Passage, Snapshot, Timer};
pub use table::Definition;

/// An enum of events; it names the enum of the states that they move between.
pub trait Event: Copy + Eq + Debug {
    /// The states. Their serialised names are stored: keep them stable.
    type State: Copy + Eq + Debug;
}
