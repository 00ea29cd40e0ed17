//! Which events somebody wants.

use super::Name;
use crate::error::{Error, Result};

/// `agent:log` wants that one, `agent:*` the whole namespace, `*:failed` all of that
/// name, `*` everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    namespace: Option<Box<str>>,
    name: Option<Box<str>>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// *Errors*: [`crate::ErrorKind::Invalid`] for anything of another form; a star
    /// stands for a whole part.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "*" {
            return Ok(Self {
                namespace: None,
                name: None,
            });
        }
        let (namespace, name) = text.split_once(':').ok_or_else(|| wrong(text))?;
        Ok(Self {
            namespace: part(namespace).ok_or_else(|| wrong(text))?,
            name: part(name).ok_or_else(|| wrong(text))?,
        })
    }

    /// True for an event that is wanted.
    pub fn matches(&self, name: Name) -> bool {
        let is = |wanted: &Option<Box<str>>, part| wanted.as_deref().is_none_or(|w| w == part);
        is(&self.namespace, name.namespace()) && is(&self.name, name.name())
    }
}

/// None for what cannot be a part; inside, none for a star.
fn part(text: &str) -> Option<Option<Box<str>>> {
    match text {
        "*" => Some(None),
        "" => None,
        text if text.contains(['*', ':']) => None,
        text => Some(Some(text.into())),
    }
}

fn wrong(text: &str) -> Error {
    Error::invalid("not a pattern of events: write agent:log, agent:*, *:failed or *")
        .with("pattern", text)
}
