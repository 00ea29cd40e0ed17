//! The table itself: which line answers an event, and what is entered and left
//! on the way.

use std::fmt;
use std::iter::successors;
use std::time::Duration;

use super::Event;

pub(super) type Guard<C, E> = Box<dyn Fn(&C, &E) -> bool + Send + Sync>;
pub(super) type Action<C, E> = Box<dyn Fn(&mut C, &E) + Send + Sync>;

/// One transition as it was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition<E: Event> {
    /// Where it was declared; the children of this state inherit it.
    pub state: E::State,
    /// What it answers.
    pub event: E,
    /// Where it leads.
    pub target: E::State,
    /// Whether a guard may refuse it.
    pub guarded: bool,
}

pub(super) struct Row<C, E: Event> {
    pub state: E::State,
    pub event: E,
    pub target: E::State,
    pub guard: Option<Guard<C, E>>,
}

/// Tables are small and their enums are a byte, so each look-up is a scan.
pub(super) struct Table<C, E: Event> {
    pub initial: E::State,
    pub states: Vec<E::State>,
    /// Child, then parent.
    pub parents: Vec<(E::State, E::State)>,
    pub rows: Vec<Row<C, E>>,
    pub entries: Vec<(E::State, Action<C, E>)>,
    pub exits: Vec<(E::State, Action<C, E>)>,
    pub timeouts: Vec<(E::State, Duration, E)>,
    pub finals: Vec<E::State>,
    pub history: usize,
}

impl<C, E: Event> Row<C, E> {
    pub fn accepts(&self, context: &C) -> bool {
        self.guard
            .as_ref()
            .is_none_or(|guard| guard(context, &self.event))
    }

    pub fn definition(&self) -> Definition<E> {
        Definition {
            state: self.state,
            event: self.event,
            target: self.target,
            guarded: self.guard.is_some(),
        }
    }
}

impl<C, E: Event> Table<C, E> {
    pub fn parent_of(&self, state: E::State) -> Option<E::State> {
        let (_, parent) = self.parents.iter().find(|(child, _)| *child == state)?;
        Some(*parent)
    }

    /// The state and its ancestors, innermost first. Ends even when parents
    /// form a cycle, for the check walks tables that are not sound.
    pub fn chain(&self, state: E::State) -> impl Iterator<Item = E::State> {
        successors(Some(state), |state| self.parent_of(*state)).take(self.parents.len() + 1)
    }

    /// The lines that may answer in `state`, in the order they are asked: the
    /// state's own before its parent's, each in the order it was declared.
    pub fn rows_of(&self, state: E::State) -> impl Iterator<Item = &Row<C, E>> {
        self.chain(state)
            .flat_map(|level| self.rows.iter().filter(move |row| row.state == level))
    }

    /// Where `event` leads if some line accepts it.
    pub fn target(&self, state: E::State, event: E, context: &C) -> Option<E::State> {
        self.rows_of(state)
            .find(|row| row.event == event && row.accepts(context))
            .map(|row| row.target)
    }

    /// The timeout of the state, or else of its nearest ancestor that has one.
    pub fn timeout_of(&self, state: E::State) -> Option<(Duration, E)> {
        self.chain(state).find_map(|level| {
            let (_, after, event) = self.timeouts.iter().find(|(of, ..)| *of == level)?;
            Some((*after, *event))
        })
    }

    /// Runs the exit actions, innermost first, then the entry actions,
    /// outermost first. A state that is active before and after is neither left
    /// nor entered, save that a transition to itself does both.
    pub fn pass(&self, from: E::State, event: E, to: E::State, context: &mut C) {
        let before: Vec<_> = self.chain(from).collect();
        let after: Vec<_> = self.chain(to).collect();
        let is_loop = from == to;
        for state in &before {
            if !after.contains(state) || (is_loop && *state == from) {
                run(&self.exits, *state, event, context);
            }
        }
        for state in after.iter().rev() {
            if !before.contains(state) || (is_loop && *state == to) {
                run(&self.entries, *state, event, context);
            }
        }
    }
}

impl<C, E: Event> fmt::Debug for Table<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("initial", &self.initial)
            .field("states", &self.states)
            .field("parents", &self.parents)
            .field(
                "rows",
                &self.rows.iter().map(Row::definition).collect::<Vec<_>>(),
            )
            .field("timeouts", &self.timeouts)
            .field("finals", &self.finals)
            .finish_non_exhaustive()
    }
}

fn run<C, E: Event>(actions: &[(E::State, Action<C, E>)], of: E::State, event: E, context: &mut C) {
    for (_, action) in actions.iter().filter(|(state, _)| *state == of) {
        action(context, &event);
    }
}
