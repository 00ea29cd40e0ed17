//! The event bus: lossy telemetry, usable on its own.
//!
//! [`EventBus::emit`] is one push on a bounded ring: it never waits, never fails, and
//! loses what does not fit, which is counted. A [`Driver`], a future that somebody
//! spawns, takes the events out, numbers and stamps them, runs reducers over them, and
//! hands each to the subscribers whose pattern it has. Every subscriber has a bounded
//! buffer of its own, so one that sleeps for ever delays nobody. All of them see the
//! same events in the same order under the same numbers; a gap in the numbers is a loss
//! that was counted.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use zupa_core::bus::{Draft, EventBus, Name};
//! # #[derive(Debug)]
//! # struct Clock;
//! # impl zupa_core::Clock for Clock {
//! #     fn wall(&self) -> zupa_core::Timestamp { zupa_core::Timestamp(5) }
//! #     fn monotonic(&self) -> std::time::Duration { std::time::Duration::ZERO }
//! #     fn boot(&self) -> std::time::Duration { std::time::Duration::ZERO }
//! # }
//! # let clock = Arc::new(Clock);
//! const PLACED: Name = Name::new("order", "placed");
//!
//! let bus = EventBus::default();
//! let driver = bus.driver(clock).expect("nobody drives it yet");
//! tokio::spawn(driver.run());
//!
//! let mut orders = bus.feed("order:*")?;
//! bus.emit(Draft::of(PLACED).with("items", 3_u64));
//! let event = orders.next().await.expect("the driver runs");
//! assert_eq!((event.name, event.seq), (PLACED, 1));
//! assert_eq!(event.payload.number("items"), Some(3));
//! # Ok::<(), zupa_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! A reducer looks at each event before it is numbered, and drops it, keeps it, or puts
//! others in its place:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # use std::sync::Arc;
//! use zupa_core::bus::{Draft, EventBus, Label, Name, Reduced, names};
//! # #[derive(Debug)]
//! # struct Clock;
//! # impl zupa_core::Clock for Clock {
//! #     fn wall(&self) -> zupa_core::Timestamp { zupa_core::Timestamp(5) }
//! #     fn monotonic(&self) -> std::time::Duration { std::time::Duration::ZERO }
//! #     fn boot(&self) -> std::time::Duration { std::time::Duration::ZERO }
//! # }
//! const LOG: Name = Name::new("agent", "log");
//!
//! let bus = EventBus::default();
//! # tokio::spawn(bus.driver(Arc::new(Clock)).unwrap().run());
//! let _registration = bus.reduce("engine:node_transition", |moved| {
//!     let node = moved.payload.label("node").map_or("?", Label::as_str);
//!     let log = Draft::of(LOG).about(moved.ids).with("left", Label::new(node));
//!     Reduced::Many(vec![log])
//! })?;
//! let mut log = bus.feed("agent:*")?;
//! bus.emit(Draft::of(names::NODE_TRANSITION).with("node", Label::new("recall")));
//! let said = log.next().await.expect("the driver runs");
//! assert_eq!(said.payload.label("left").map(Label::as_str), Some("recall"));
//! # Ok::<(), zupa_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! Work never travels here. A payload has room for numbers, times and words out of the
//! program, and for nothing else: this does not compile,
//!
//! ```compile_fail,E0277
//! # use zupa_core::bus::{Draft, names};
//! fn lose(inbound: zupa_core::Inbound) -> Draft {
//!     Draft::of(names::INBOUND_ACCEPTED).with("inbound", inbound)
//! }
//! ```
//!
//! nor does an outbound, an audit entry, or a text that was read somewhere:
//!
//! ```compile_fail,E0277
//! # use zupa_core::bus::{Draft, names};
//! fn lose(outbound: zupa_core::Outbound) -> Draft {
//!     Draft::of(names::INBOUND_ACCEPTED).with("outbound", outbound)
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use zupa_core::bus::{Draft, names};
//! fn lose(entry: zupa_core::AuditEntry) -> Draft {
//!     Draft::of(names::INBOUND_ACCEPTED).with("entry", entry)
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use zupa_core::bus::{Draft, names};
//! fn tell(text: String) -> Draft {
//!     Draft::of(names::INBOUND_ACCEPTED).with("text", text)
//! }
//! ```

mod driver;
mod event;
mod handle;
pub mod names;
mod pattern;
mod payload;
mod reduce;
mod registry;
mod subscribe;
mod sync;
mod tally;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod under_shuttle;

pub use driver::Driver;
pub use event::{Draft, Event, EventIds, Name};
pub use handle::EventBus;
pub use pattern::Pattern;
pub use payload::{Label, Payload, Value};
pub use reduce::{Reduced, Registration};
pub use subscribe::{EventFeed, Subscription};
