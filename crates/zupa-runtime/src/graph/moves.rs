//! What a node answers: an update, and where to go.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;
use zupa_core::{Outbound, WaitKind};

use super::State;

/// An update of the state and where to go.
pub struct Move<S: State> {
    pub(super) update: Option<S::Update>,
    pub(super) to: To,
}

/// Where to go.
pub(super) enum To {
    /// A node.
    Node(Cow<'static, str>),
    /// Nodes, in declared order, that run side by side.
    Nodes(Vec<String>),
    /// The turn is parked, and another goes on at the node.
    Wait {
        node: String,
        questions: Vec<Question>,
        say: Vec<Outbound>,
    },
    /// The turn ends.
    End(Ending),
    /// This graph is left, and the one around it goes on.
    Leave,
}

impl To {
    /// True when no node of this graph follows in this turn.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self, Self::Node(_) | Self::Nodes(_))
    }
}

/// How a turn ends.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With something to say.
    Answer(Vec<Outbound>),
    /// Without a word, and why.
    Silent(String),
}

/// What a parked turn waits for.
#[derive(Debug, Clone)]
pub struct Question {
    pub(super) kind: WaitKind,
    pub(super) subject: Value,
    pub(super) within: Option<Duration>,
}

impl Question {
    /// To the person: the next message is the answer.
    pub fn reply(subject: impl Into<Value>) -> Self {
        Self::of(WaitKind::Reply, subject.into())
    }

    /// To an operator, who sees the subject.
    pub fn decision(subject: impl Into<Value>) -> Self {
        Self::of(WaitKind::Decision, subject.into())
    }

    /// To nobody: the turn goes on when the time is over.
    pub fn timer(after: Duration) -> Self {
        Self::of(WaitKind::Timer, Value::Null).within(after)
    }

    /// Settles the wait as expired after this long.
    pub fn within(self, time: Duration) -> Self {
        Self {
            within: Some(time),
            ..self
        }
    }

    fn of(kind: WaitKind, subject: Value) -> Self {
        Self {
            kind,
            subject,
            within: None,
        }
    }
}

impl<S: State> Move<S> {
    /// To one node.
    pub fn to(node: impl Into<Cow<'static, str>>) -> Self {
        Self::new(To::Node(node.into()))
    }

    /// To several nodes, which run side by side and then have to meet in the same
    /// next one. Their updates are applied in this order.
    pub fn all<N: Into<String>>(nodes: impl IntoIterator<Item = N>) -> Self {
        Self::new(To::Nodes(nodes.into_iter().map(Into::into).collect()))
    }

    /// Parks the turn; another goes on at `node` when every question is settled.
    /// Several questions are all to operators, or there is one.
    pub fn wait(node: impl Into<String>, questions: Vec<Question>, say: Vec<Outbound>) -> Self {
        Self::new(To::Wait {
            node: node.into(),
            questions,
            say,
        })
    }

    /// Ends the turn.
    pub fn end(ending: Ending) -> Self {
        Self::new(To::End(ending))
    }

    /// Leaves a graph that is a node of another, which goes on.
    pub fn leave() -> Self {
        Self::new(To::Leave)
    }

    /// With this update.
    pub fn with(self, update: S::Update) -> Self {
        Self {
            update: Some(update),
            ..self
        }
    }

    fn new(to: To) -> Self {
        Self { update: None, to }
    }
}

impl<S: State> std::fmt::Debug for Move<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.to {
            To::Node(node) => write!(f, "Move(to {node})"),
            To::Nodes(nodes) => write!(f, "Move(to {})", nodes.join(", ")),
            To::Wait { node, .. } => write!(f, "Move(wait, then {node})"),
            To::End(_) => f.write_str("Move(end)"),
            To::Leave => f.write_str("Move(leave)"),
        }
    }
}
