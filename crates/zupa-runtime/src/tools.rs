//! The tools of an agent, and plain functions as tools.

mod function;
mod schema;

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Value, json};
use zupa_core::{Digest, Error, Result, Tool, ToolSpec};

use crate::graph::Question;

use schema::Schema;

pub(crate) use function::schema_of;
pub use function::{ToolFn, tool};
pub(crate) use schema::object;

/// Asks the person about a call, from its arguments.
pub type Confirm = Arc<dyn Fn(&Value) -> String + Send + Sync>;

/// The tools of an agent, by name.
#[derive(Clone, Default)]
pub struct Tools(Vec<Known>);

/// A tool, and how its calls are agreed to.
#[derive(Clone)]
pub(crate) struct Known {
    pub tool: Arc<dyn Tool>,
    pub confirm: Option<Confirm>,
    pub schema: Schema,
}

impl Tools {
    /// These tools, for a graph of one's own.
    ///
    /// *Errors*: as [`Self::check`].
    pub fn of(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Result<Self> {
        let mut all = Self::default();
        for tool in tools {
            all.add(tool, None);
        }
        all.check()?;
        Ok(all)
    }

    /// Asks operators whether a call may be made. A graph of one's own waits for it, and
    /// then makes the call with [`crate::Cx::call_tool`].
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a tool that is unknown, or
    /// arguments that do not fit.
    pub fn approval(&self, name: &str, arguments: &Value) -> Result<Question> {
        let known = self.get(name).ok_or_else(|| {
            Error::invalid("an approval is for a tool that is unknown").with("tool", name)
        })?;
        known.schema.check(arguments).map_err(|_wrong| {
            Error::invalid("an approval is for arguments that do not fit").with("tool", name)
        })?;
        Ok(Question::decision(json!({
            "approve": name,
            "digest": bound(name, arguments),
            "class": known.tool.effect().class.as_str(),
            "arguments": arguments,
        })))
    }

    /// Adds a tool.
    pub fn add(&mut self, tool: Arc<dyn Tool>, confirm: Option<Confirm>) {
        let schema = Schema::of(&tool.spec().parameters);
        self.0.push(Known {
            tool,
            confirm,
            schema,
        });
    }

    /// What a model is told of them.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.0
            .iter()
            .map(|known| known.tool.spec().clone())
            .collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let names = self.0.iter().map(|known| &*known.tool.spec().name);
        names.collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Known> {
        self.0.iter().find(|known| known.tool.spec().name == name)
    }

    /// Checks them all.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`], naming the tool: two of one name, a
    /// name that providers do not take, a schema that is no object or no JSON Schema, that
    /// refers to something outside itself, or has a pattern that looks around.
    pub fn check(&self) -> Result<()> {
        for (place, known) in self.0.iter().enumerate() {
            let spec = known.tool.spec();
            spec.check()?;
            if let Some(wrong) = known.schema.wrong() {
                return Err(Error::invalid("the schema of a tool's arguments is none")
                    .with("tool", &spec.name)
                    .with("why", wrong));
            }
            let twice = self.0[..place]
                .iter()
                .any(|other| other.tool.spec().name == spec.name);
            if twice {
                return Err(Error::invalid("two tools have one name").with("tool", &spec.name));
            }
        }
        Ok(())
    }
}

/// Binds an approval to what would be done.
pub(crate) fn bound(name: &str, arguments: &Value) -> String {
    Digest::of_json(&(name, arguments)).to_hex()
}

impl Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|known| &known.tool.spec().name))
            .finish()
    }
}
