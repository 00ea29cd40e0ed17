//! The `Tool` port: something that a model may ask for, and what a crash in the
//! middle of it means.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Address, ConversationId, TurnId};
use crate::patch;
use crate::time::Timestamp;
use crate::wait::Decision;

/// The longest name of a tool that providers take, in characters.
const MAX_NAME_CHARS: usize = 64;

/// What a model is told of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Unique among the agent's tools: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// When and how to use it.
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub parameters: Value,
}

/// A model's wish to call a tool.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id of the call, which its result is sent back under.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: JSON, if it kept its word.
    pub arguments: String,
}

/// What it means that a call was started and nobody knows how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// It changes nothing outside: it is called again.
    Pure,
    /// It may be called again with the same key: the other side knows the key.
    Idempotent,
    /// The other side can be asked whether it happened: [`Tool::probe`].
    Reconcile,
    /// It must not be called again: a human decides.
    AtMostOnce,
}

impl EffectClass {
    /// Every class, from harmless to grave.
    pub const ALL: [Self; 4] = [
        Self::Pure,
        Self::Idempotent,
        Self::Reconcile,
        Self::AtMostOnce,
    ];

    /// The word stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::Reconcile => "reconcile",
            Self::AtMostOnce => "at_most_once",
        }
    }

    /// Reads the word stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// What a tool does to the world. Every tool has to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Effect {
    /// What a crash in the middle of it means.
    pub class: EffectClass,
    /// Whether a human has to approve each call.
    pub approve: bool,
}

impl Effect {
    /// Changes nothing outside.
    pub const PURE: Self = Self::of(EffectClass::Pure);
    /// Deduplicated by the other side, by [`ToolContext::key`].
    pub const IDEMPOTENT: Self = Self::of(EffectClass::Idempotent);
    /// Can be asked for afterwards.
    pub const RECONCILE: Self = Self::of(EffectClass::Reconcile);
    /// Never called twice.
    pub const AT_MOST_ONCE: Self = Self::of(EffectClass::AtMostOnce);

    const fn of(class: EffectClass) -> Self {
        Self {
            class,
            approve: false,
        }
    }

    /// The same, and a human has to approve each call.
    pub const fn approved(self) -> Self {
        Self {
            approve: true,
            ..self
        }
    }
}

/// What a call is made with.
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// The idempotency key: the same at every run of the same call, and another
    /// for every other.
    pub key: Digest,
    /// The turn that calls.
    pub turn: TurnId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Where the conversation is reached.
    pub address: Address,
    /// The time as of which the turn runs: when its newest message was accepted. The
    /// same at every run.
    pub at: Timestamp,
    /// The longest the call may take.
    pub timeout: Duration,
    /// The agent's state as of the start of the call.
    pub state: Value,
    /// What was decided, if the call had to be approved.
    pub decision: Option<Decision>,
}

/// What a call gave back.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// What the model is told.
    pub result: Value,
    /// A change of the agent's state, as a JSON merge patch (RFC 7396). Changes
    /// of parallel calls are applied in the order of the calls; each was made from the
    /// state before them all, so of two that count in one place the last one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// Side messages, sent through the outbox as soon as the result is recorded;
    /// not in the model's memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub say: Vec<String>,
    /// Reminders to set, for this conversation only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remind: Vec<Reminder>,
}

/// A message of the future: the agent runs with it when its time has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reminder {
    /// When, in microseconds since 1970 (UTC).
    pub due_at: Timestamp,
    /// What the agent is reminded of.
    pub text: String,
    /// A cron pattern in UTC, of minute, hour, day, month and weekday, by which it comes
    /// again after that; none for once. Times that were missed are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
}

impl Reminder {
    /// Once.
    pub fn once(due_at: Timestamp, text: impl Into<String>) -> Self {
        Self {
            due_at,
            text: text.into(),
            every: None,
        }
    }
}

impl ToolContext {
    /// The agent's state, typed. Nothing was kept yet: the type's default.
    ///
    /// *Errors*: [`ErrorKind::Corrupt`] for a state of another type.
    pub fn state_as<T: DeserializeOwned + Default>(&self) -> Result<T> {
        if self.state.is_null() {
            return Ok(T::default());
        }
        serde_json::from_value(self.state.clone()).map_err(|source| {
            Error::new(ErrorKind::Corrupt, "the agent's state is of another type")
                .with_source(source)
        })
    }
}

impl ToolOutput {
    /// With the agent's state as it is now: what differs from the state that the call
    /// was made with is kept.
    ///
    /// *Errors*: [`ErrorKind::Invalid`] for a state that is not JSON.
    pub fn keeping<T: Serialize>(mut self, cx: &ToolContext, state: &T) -> Result<Self> {
        let now = serde_json::to_value(state).map_err(|source| {
            Error::invalid("the agent's state is not JSON").with_source(source)
        })?;
        self.state = patch::between(&cx.state, &now);
        Ok(self)
    }

    /// Just a result.
    pub fn of(result: impl Into<Value>) -> Self {
        Self {
            result: result.into(),
            ..Self::default()
        }
    }
}

/// What became of a call whose answer was lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// It happened, with this output.
    Happened(ToolOutput),
    /// It did not happen and will not.
    DidNot,
    /// The other side cannot tell either.
    Unknown,
}

/// Something that a model may ask for.
#[async_trait]
pub trait Tool: Debug + Send + Sync + 'static {
    /// Describes it to the model.
    fn spec(&self) -> &ToolSpec;

    /// Says what it does to the world.
    fn effect(&self) -> Effect;

    /// Calls it.
    ///
    /// *Behaviour*: arguments are a JSON object that fits the schema of [`Self::spec`];
    /// what the schema does not say the implementation checks.
    /// Keeps to `cx.timeout`. Never retries by itself.
    /// *Errors*: go back to the model as the call's result; they MUST say
    /// whether the effect took place ([`crate::Outcome`]).
    /// *Cancel safety*: dropping the future leaves an unknown outcome, which the
    /// effect's class decides on.
    async fn call(&self, arguments: Value, cx: ToolContext) -> Result<ToolOutput>;

    /// Asks the other side what became of a call of class
    /// [`EffectClass::Reconcile`], by its key.
    ///
    /// *Errors*: as [`Self::call`]; asked again later if they may pass.
    /// *Cancel safety*: safe.
    async fn probe(&self, arguments: Value, cx: ToolContext) -> Result<Probe>;
}

impl ToolSpec {
    /// Checks name and parameters.
    ///
    /// *Errors*: [`ErrorKind::Invalid`], naming the tool.
    pub fn check(&self) -> Result<()> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let chars = self.name.chars().count();
        if chars == 0 || chars > MAX_NAME_CHARS || !self.name.chars().all(allowed) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a tool's name must have 1 to 64 characters of a-z, A-Z, 0-9, _ and -",
            )
            .with("tool", &self.name));
        }
        let is_object = self.parameters.get("type") == Some(&Value::from("object"));
        if !is_object {
            return Err(
                Error::invalid("the schema of a tool's arguments must be an object")
                    .with("tool", &self.name),
            );
        }
        Ok(())
    }
}

impl Debug for ToolCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ToolCall({}, {})", self.name, self.id)
    }
}

impl Debug for ToolOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ToolOutput({} said)", self.say.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(name: &str, parameters: Value) -> ToolSpec {
        ToolSpec {
            name: name.into(),
            description: String::new(),
            parameters,
        }
    }

    #[test]
    fn names_and_schemas_are_checked() {
        let object = json!({ "type": "object" });
        assert!(spec("place_order-2", object.clone()).check().is_ok());
        for name in ["", "place order", "é", &"x".repeat(65)] {
            assert!(spec(name, object.clone()).check().is_err(), "{name}");
        }
        for schema in [json!({}), json!({ "type": "string" }), json!(null)] {
            assert!(spec("a", schema).check().is_err());
        }
    }
}
