//! Writes the table, line by line; `build` checks all of it.

use std::time::Duration;

use super::Event;
use super::check::problems;
use super::problem::BuildError;
use super::registry::StateMachineRegistry;
use super::table::{Row, Table};

/// How many passages a snapshot keeps unless said otherwise.
const HISTORY: usize = 50;

/// Collects the lines of a table. The order of lines counts only among
/// transitions of the same state and event, and among actions of one state.
#[derive(Debug)]
pub struct Builder<C, E: Event> {
    table: Table<C, E>,
}

impl<C, E: Event> Builder<C, E> {
    pub(super) fn new(initial: E::State) -> Self {
        let table = Table {
            initial,
            states: Vec::new(),
            parents: Vec::new(),
            rows: Vec::new(),
            entries: Vec::new(),
            exits: Vec::new(),
            timeouts: Vec::new(),
            finals: Vec::new(),
            history: HISTORY,
        };
        Self { table }
    }

    /// Declares states. Naming one that is not declared is a problem, so that a
    /// state that is forgotten here or misspelt there is found.
    pub fn states(mut self, states: impl IntoIterator<Item = E::State>) -> Self {
        self.table.states.extend(states);
        self
    }

    /// Puts `child` into `parent`: it inherits the parent's transitions and
    /// timeout, and its own win.
    pub fn child(mut self, child: E::State, parent: E::State) -> Self {
        self.table.parents.push((child, parent));
        self
    }

    /// In `state`, `event` leads to `target`.
    pub fn on(mut self, state: E::State, event: E, target: E::State) -> Self {
        self.table.rows.push(Row {
            state,
            event,
            target,
            guard: None,
        });
        self
    }

    /// In `state`, `event` leads to `target` if the guard says so. Guards are
    /// asked in the order of their lines and the first yes wins; a line without
    /// guard comes last. When all refuse, the parent is asked.
    pub fn on_if(
        mut self,
        state: E::State,
        event: E,
        target: E::State,
        guard: impl Fn(&C, &E) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.table.rows.push(Row {
            state,
            event,
            target,
            guard: Some(Box::new(guard)),
        });
        self
    }

    /// Runs whenever `state` is entered, from the outermost state inwards.
    pub fn on_entry(
        mut self,
        state: E::State,
        action: impl Fn(&mut C, &E) + Send + Sync + 'static,
    ) -> Self {
        self.table.entries.push((state, Box::new(action)));
        self
    }

    /// Runs whenever `state` is left, from the innermost state outwards, and
    /// before any entry action.
    pub fn on_exit(
        mut self,
        state: E::State,
        action: impl Fn(&mut C, &E) + Send + Sync + 'static,
    ) -> Self {
        self.table.exits.push((state, Box::new(action)));
        self
    }

    /// After this long without a transition in `state`, `event` is due.
    pub fn timeout(mut self, state: E::State, after: Duration, event: E) -> Self {
        self.table.timeouts.push((state, after, event));
        self
    }

    /// Says that it is right to stay in these for ever.
    pub fn finals(mut self, states: impl IntoIterator<Item = E::State>) -> Self {
        self.table.finals.extend(states);
        self
    }

    /// How many passages a snapshot keeps; the default is 50. The ledger, which
    /// keeps them all, is the caller's.
    pub fn history(mut self, passages: usize) -> Self {
        self.table.history = passages;
        self
    }

    /// Checks the table and reports every problem at once.
    pub fn build(self) -> Result<StateMachineRegistry<C, E>, BuildError<E>> {
        let problems = problems(&self.table);
        if problems.is_empty() {
            Ok(self.unchecked())
        } else {
            Err(BuildError { problems })
        }
    }

    /// For tables that a test of this crate has checked.
    pub(super) fn unchecked(self) -> StateMachineRegistry<C, E> {
        StateMachineRegistry { table: self.table }
    }
}
