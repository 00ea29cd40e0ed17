//! What can be wrong with a table, found before it runs.

use std::error::Error as StdError;
use std::fmt;

use super::Event;
use crate::error::Error;

/// A table that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError<E: Event> {
    /// Every problem, in the order of the table.
    pub problems: Vec<Problem<E>>,
}

/// One thing that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the states and events named")]
pub enum Problem<E: Event> {
    /// A line names a state that is not declared.
    UnknownState { state: E::State, line: &'static str },
    /// A state is declared more than once.
    DeclaredTwice { state: E::State },
    /// A line before this one takes every such event.
    NeverTried {
        state: E::State,
        event: E,
        target: E::State,
    },
    /// A state has more than one parent.
    TwoParents { state: E::State },
    /// These are each other's ancestors.
    ParentCycle { states: Vec<E::State> },
    /// A state has more than one timeout.
    TwoTimeouts { state: E::State },
    /// A timeout would find no transition.
    TimeoutUnanswered { state: E::State, event: E },
    /// No transition ever leads there.
    Unreachable { state: E::State },
    /// Nothing leads away, and it is not final.
    DeadEnd { state: E::State },
}

impl<E: Event> fmt::Display for Problem<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownState { state, line } => {
                write!(f, "{line} names state {state:?}, which is not declared")
            }
            Self::DeclaredTwice { state } => write!(f, "state {state:?} is declared twice"),
            Self::NeverTried {
                state,
                event,
                target,
            } => write!(
                f,
                "state {state:?} has an earlier transition without guard for {event:?}, so the one to {target:?} is never tried"
            ),
            Self::TwoParents { state } => write!(f, "state {state:?} has two parents"),
            Self::ParentCycle { states } => write!(f, "states {states:?} are their own ancestors"),
            Self::TwoTimeouts { state } => write!(f, "state {state:?} has two timeouts"),
            Self::TimeoutUnanswered { state, event } => write!(
                f,
                "the timeout of state {state:?} is {event:?}, which it has no transition for"
            ),
            Self::Unreachable { state } => write!(f, "no transition leads to state {state:?}"),
            Self::DeadEnd { state } => write!(
                f,
                "nothing leads away from state {state:?}, which is not final"
            ),
        }
    }
}

impl<E: Event> fmt::Display for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state machine cannot be built")?;
        for (place, problem) in self.problems.iter().enumerate() {
            write!(f, "{} {problem}", if place == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl<E: Event> StdError for BuildError<E> {}

impl<E: Event> From<BuildError<E>> for Error {
    fn from(error: BuildError<E>) -> Self {
        Self::invalid(error.to_string())
    }
}
