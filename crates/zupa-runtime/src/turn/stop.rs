//! Why a run does not go on.

use std::any::Any;

use serde_json::{Value, json};
use zupa_core::{Error, NewWait, Step};

use crate::commit::End;

/// Why a run does not go on. Nodes make failures, from any error by `?`; the rest
/// comes from the context and is passed on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stop {
    /// Something failed.
    Failed(Error),
    /// The model's provider failed; no message is to blame for it.
    Provider(Error),
    /// The process is stopping: no new effect starts.
    Release,
    /// Nothing is left of the claim.
    Lost,
    /// The store could not be asked or told.
    Unwritten(Error),
    /// A human has to say what became of an effect, or how the turn goes on.
    Review(Review),
}

impl Stop {
    /// A word for telemetry: the kind of an error, or what else stopped the run.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Failed(error) | Self::Provider(error) => error.kind().as_str(),
            Self::Release => "stopping",
            Self::Lost => "lost",
            Self::Unwritten(_) => "unwritten",
            Self::Review(_) => "review",
        }
    }
}

/// What a human is asked.
#[derive(Debug)]
pub struct Review {
    pub(crate) about: About,
    /// What visits have come to that begin again, in the order of their nodes.
    pub(crate) before: Vec<Before>,
}

/// What calls that have ended came to in a visit that begins again after a review. It is kept
/// with the turn that parks: merged later it would overwrite newer state, and what a
/// reminder is for would be over.
#[derive(Debug)]
pub(crate) struct Before {
    /// Updates of the graph's state, a `Vec<S::Update>`.
    pub updates: Box<dyn Any + Send + Sync>,
    /// The reminders that can be set.
    pub reminders: Vec<NewWait>,
    /// The steps that both come from.
    pub steps: Vec<String>,
}

/// What a review is about.
#[derive(Debug)]
pub(crate) enum About {
    /// A call of which nobody knows whether it took place, with the whole question.
    Effect(Value),
    /// A turn that went another way than its journal, at this step.
    Divergence(String),
}

/// How many effects a review names.
const NAMED: usize = 32;

impl Review {
    /// The `review` of a subject about a turn that went another way than its journal.
    pub(crate) const DIVERGENCE: &str = "divergence";
    /// That of one about a parked turn whose node is gone.
    pub(crate) const VERSION_MISMATCH: &str = "version_mismatch";

    /// Of a call of which nobody knows whether it took place.
    pub(crate) fn effect(subject: Value) -> Self {
        Self {
            about: About::Effect(subject),
            before: Vec::new(),
        }
    }

    /// Of a turn that went another way than its journal, in which effects matter.
    pub(crate) fn divergence(step: &str) -> Self {
        Self {
            about: About::Divergence(step.to_owned()),
            before: Vec::new(),
        }
    }

    /// With what the visit has come to before.
    pub(crate) fn with(mut self, before: Before) -> Self {
        self.before.push(before);
        self
    }
}

impl About {
    /// What operators see. Names steps, and nothing of what went in or came out, but for
    /// the arguments of an effect.
    pub(crate) fn subject(self, dropped: &[Step]) -> Value {
        let step = match self {
            Self::Effect(subject) => return subject,
            Self::Divergence(step) => step,
        };
        let effects: Vec<_> = dropped
            .iter()
            .take(NAMED)
            .map(|effect| {
                let became = if effect.is_intent() {
                    "may have happened"
                } else {
                    "happened"
                };
                json!({ "step": effect.key, "class": effect.class.as_str(), "became": became })
            })
            .collect();
        json!({
            "review": Review::DIVERGENCE,
            "step": step,
            "effects": effects,
            "question": "The turn went another way than its journal. Approve: what it recorded from this step on is dropped, and it goes on from here; the effects named here may be made again. Reject: the turn is given up, and the person hears the fallback text.",
        })
    }
}

/// What operators see of a parked turn that cannot go on here.
pub(crate) fn version_mismatch(graph: &str, node: &str) -> Value {
    json!({
        "review": Review::VERSION_MISMATCH,
        "graph": graph,
        "node": node,
        "question": "A parked turn goes on at a node that this version does not know. Approve, once a version runs that has the node or declares its new name: the turn goes on there, under the graph of then. Reject: the turn is given up, and the person hears the fallback text.",
    })
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(error) => Self::Failed(error),
            Stop::Provider(error) => Self::Held(error),
            Stop::Release => Self::Release,
            Stop::Lost => Self::Lost,
            Stop::Unwritten(error) => Self::Unwritten(error),
            // The graph parks the turn for it; a node that keeps it is wrong.
            Stop::Review(_) => Self::Failed(Error::internal("a review was not asked for")),
        }
    }
}
