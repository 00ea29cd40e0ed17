//! The machine: asks the table, runs the actions, moves the snapshot.

use super::Event;
use super::builder::Builder;
use super::error::TransitionError;
use super::snapshot::{Moved, Passage, Snapshot, Timer};
use super::table::{Definition, Row, Table};
use crate::time::Timestamp;

/// A checked table of transitions. `C` is the context that guards read and
/// actions change, `E` the events; the states are [`Event::State`]. It holds no
/// state of its own: one serves every snapshot, from any thread.
#[derive(Debug)]
pub struct StateMachineRegistry<C, E: Event> {
    pub(super) table: Table<C, E>,
}

impl<C, E: Event> StateMachineRegistry<C, E> {
    /// Begins a table whose snapshots start in `initial`.
    pub fn builder(initial: E::State) -> Builder<C, E> {
        Builder::new(initial)
    }

    /// Where a snapshot starts.
    pub fn initial_state(&self) -> E::State {
        self.table.initial
    }

    /// A new snapshot in the initial state, at revision 0. No entry action runs,
    /// for no event led there; its [`timer`](Self::timer) does.
    pub fn begin(&self, at: Timestamp) -> Snapshot<E> {
        Snapshot::new(self.table.initial, at)
    }

    /// Answers `event`: runs the exit and entry actions on the context, moves
    /// the snapshot and adds the passage to its history.
    ///
    /// On an error nothing has changed, neither snapshot nor context. To store
    /// the result, write snapshot and context together, on condition that the
    /// stored revision is still the one that was read; the loser drops both and
    /// reads again.
    pub fn transition(
        &self,
        snapshot: &mut Snapshot<E>,
        event: E,
        context: &mut C,
        at: Timestamp,
    ) -> Result<Moved<E>, TransitionError<E>> {
        self.apply(snapshot, snapshot.revision(), event, context, at)
    }

    /// As [`transition`](Self::transition), for a decision that was taken on
    /// revision `expected`: a [`Timer`], a form that somebody had open. It is a
    /// conflict if the snapshot has moved since.
    pub fn apply(
        &self,
        snapshot: &mut Snapshot<E>,
        expected: u64,
        event: E,
        context: &mut C,
        at: Timestamp,
    ) -> Result<Moved<E>, TransitionError<E>> {
        snapshot.expect_revision(expected)?;
        let from = snapshot.state();
        let Some(to) = self.table.target(from, event, context) else {
            return Err(self.refusal(from, event));
        };
        self.table.pass(from, event, to, context);
        let passage = Passage {
            revision: expected + 1,
            at,
            from,
            event,
            to,
        };
        snapshot.advance(passage, self.table.history);
        Ok(Moved {
            passage,
            timer: self.timer(snapshot),
        })
    }

    /// Whether `event` would be accepted now, guards included.
    pub fn can_transition(&self, state: E::State, event: E, context: &C) -> bool {
        self.table.target(state, event, context).is_some()
    }

    /// The events that would be accepted now, guards included; the state's own
    /// first, then its ancestors', each in the order of the table.
    pub fn available(&self, state: E::State, context: &C) -> Vec<E> {
        let mut events = Vec::new();
        for row in self.table.rows_of(state) {
            if !events.contains(&row.event) && row.accepts(context) {
                events.push(row.event);
            }
        }
        events
    }

    /// The timer of the state the snapshot is in. It follows from the snapshot
    /// alone, so a lost one is found again after a restart.
    pub fn timer(&self, snapshot: &Snapshot<E>) -> Option<Timer<E>> {
        let (after, event) = self.table.timeout_of(snapshot.state())?;
        Some(Timer {
            after,
            event,
            due: snapshot.since().plus(after),
            revision: snapshot.revision(),
        })
    }

    /// Every declared state, in order.
    pub fn states(&self) -> &[E::State] {
        &self.table.states
    }

    /// The state that `state` inherits from.
    pub fn parent(&self, state: E::State) -> Option<E::State> {
        self.table.parent_of(state)
    }

    /// Whether it is right to stay in `state` for ever.
    pub fn is_final(&self, state: E::State) -> bool {
        self.table.finals.contains(&state)
    }

    /// Every transition as it was declared, for documents and diagrams.
    pub fn definitions(&self) -> impl Iterator<Item = Definition<E>> {
        self.table.rows.iter().map(Row::definition)
    }

    fn refusal(&self, state: E::State, event: E) -> TransitionError<E> {
        if !self.table.states.contains(&state) {
            return TransitionError::Unknown { state };
        }
        if self.table.rows_of(state).any(|row| row.event == event) {
            return TransitionError::Refused { state, event };
        }
        TransitionError::Invalid { state, event }
    }
}
