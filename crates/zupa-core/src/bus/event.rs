//! What travels on the bus.

use std::fmt;

use super::payload::{Payload, Value};
use crate::id::{ConversationId, EventId, TurnId};
use crate::time::Timestamp;

/// The name of an event, written `namespace:name`. A constant of the program: its own
/// are in [`names`](super::names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    namespace: &'static str,
    name: &'static str,
}

impl Name {
    /// Names an event. Neither part should hold `:` or `*`, which mean something in
    /// patterns.
    pub const fn new(namespace: &'static str, name: &'static str) -> Self {
        Self { namespace, name }
    }

    /// What it is about.
    pub fn namespace(self) -> &'static str {
        self.namespace
    }

    /// What happened.
    pub fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.name)
    }
}

/// Our own ids of what an event is about, as far as there are any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventIds {
    /// The conversation.
    pub conversation: Option<ConversationId>,
    /// The turn.
    pub turn: Option<TurnId>,
    /// The inbound.
    pub inbound: Option<EventId>,
}

/// An event before it has a number and a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What happened.
    pub name: Name,
    /// What it happened to.
    pub ids: EventIds,
    /// More of it.
    pub payload: Payload,
}

impl Draft {
    /// Begins an event.
    pub fn of(name: Name) -> Self {
        Self {
            name,
            ids: EventIds::default(),
            payload: Payload::default(),
        }
    }

    /// Says what it is about.
    pub fn about(mut self, ids: EventIds) -> Self {
        self.ids = ids;
        self
    }

    /// Says which conversation it is about.
    pub fn conversation(mut self, id: ConversationId) -> Self {
        self.ids.conversation = Some(id);
        self
    }

    /// Says which turn it is about.
    pub fn turn(mut self, id: TurnId) -> Self {
        self.ids.turn = Some(id);
        self
    }

    /// Says which inbound it is about.
    pub fn inbound(mut self, id: EventId) -> Self {
        self.ids.inbound = Some(id);
        self
    }

    /// Adds a field. There is room for [`Payload::FIELDS`]; what is more is left out.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.payload.add(key, value.into());
        self
    }
}

/// An event as subscribers get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub name: Name,
    /// Its number. Later events have higher ones, the first has 1; a gap is as wide as
    /// what was lost, or went to nobody here.
    pub seq: u64,
    /// When it was taken from the ring, and up to 255 others with it.
    pub timestamp: Timestamp,
    /// What it happened to.
    pub ids: EventIds,
    /// More of it.
    pub payload: Payload,
}
