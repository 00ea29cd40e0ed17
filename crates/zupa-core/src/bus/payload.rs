//! What an event says of itself: a few plain values, and no room for work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A few fields, in the order in which they were added. Holds no text of people, no
/// address and no secret: there is no type for them.
#[derive(Clone, Default, PartialEq)]
pub struct Payload([Option<(&'static str, Value)>; Self::FIELDS]);

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count, or an amount in the unit that the key names.
    Number(u64),
    /// How long something took.
    Time(Duration),
    /// A word of the program.
    Word(&'static str),
    /// A name out of the program or its configuration.
    Label(Label),
}

/// The name of a node, a tool, a channel: out of the program or its configuration, never
/// from a message. At most 64 bytes; what is longer is cut. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);

impl Payload {
    /// The most fields that an event has.
    pub const FIELDS: usize = 5;

    /// The value of a field.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// The number in a field.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The time in a field.
    pub fn time(&self, key: &str) -> Option<Duration> {
        match self.get(key) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        }
    }

    /// The word in a field.
    pub fn word(&self, key: &str) -> Option<&'static str> {
        match self.get(key) {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// The name in a field.
    pub fn label(&self, key: &str) -> Option<&Label> {
        match self.get(key) {
            Some(Value::Label(label)) => Some(label),
            _ => None,
        }
    }

    /// All fields, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().flatten().map(|(key, value)| (*key, value))
    }

    pub(super) fn add(&mut self, key: &'static str, value: Value) {
        if let Some(free) = self.0.iter_mut().find(|field| field.is_none()) {
            *free = Some((key, value));
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Label {
    const BYTES: usize = 64;

    /// Takes a name.
    pub fn new(name: &str) -> Self {
        Self(name[..name.floor_char_boundary(Self::BYTES)].into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<Duration> for Value {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<Label> for Value {
    fn from(label: Label) -> Self {
        Self::Label(label)
    }
}
