//! Looks for everything that is wrong with a table, before it runs.

use super::Event;
use super::problem::Problem;
use super::table::{Row, Table};

/// Everything that is wrong with the table.
pub(super) fn problems<C, E: Event>(table: &Table<C, E>) -> Vec<Problem<E>> {
    let mut found = unknown_states(table);
    found.extend(rivals(table));
    found.extend(family(table));
    found.extend(timeouts(table));
    let reached = reached(table);
    for state in &table.states {
        if !reached.contains(state) {
            found.push(Problem::Unreachable { state: *state });
        }
        if is_dead_end(table, *state) {
            found.push(Problem::DeadEnd { state: *state });
        }
    }
    let mut problems = Vec::new();
    for problem in found {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems
}

fn unknown_states<C, E: Event>(table: &Table<C, E>) -> Vec<Problem<E>> {
    let mut named = vec![(table.initial, "the initial state")];
    for row in &table.rows {
        named.extend([(row.state, "a transition"), (row.target, "a target")]);
    }
    for (child, parent) in &table.parents {
        named.extend([(*child, "a child"), (*parent, "a parent")]);
    }
    named.extend(
        table
            .entries
            .iter()
            .map(|(state, _)| (*state, "an entry action")),
    );
    named.extend(
        table
            .exits
            .iter()
            .map(|(state, _)| (*state, "an exit action")),
    );
    named.extend(
        table
            .timeouts
            .iter()
            .map(|(state, ..)| (*state, "a timeout")),
    );
    named.extend(table.finals.iter().map(|state| (*state, "a final state")));

    let unknown = named
        .into_iter()
        .filter(|(state, _)| !table.states.contains(state));
    let unknown = unknown.map(|(state, line)| Problem::UnknownState { state, line });
    let twice = seen_before(&table.states).map(|state| Problem::DeclaredTwice { state });
    unknown.chain(twice).collect()
}

/// Lines behind an unguarded one of the same state and event.
fn rivals<C, E: Event>(table: &Table<C, E>) -> Vec<Problem<E>> {
    let hides = |row: &Row<C, E>, later: &Row<C, E>| {
        row.guard.is_none() && row.state == later.state && row.event == later.event
    };
    let rows = table.rows.iter().enumerate();
    let hidden =
        rows.filter(|(place, later)| table.rows[..*place].iter().any(|row| hides(row, later)));
    let hidden = hidden.map(|(_, row)| Problem::NeverTried {
        state: row.state,
        event: row.event,
        target: row.target,
    });
    hidden.collect()
}

fn family<C, E: Event>(table: &Table<C, E>) -> Vec<Problem<E>> {
    let children: Vec<_> = table.parents.iter().map(|(child, _)| *child).collect();
    let mut problems: Vec<_> = seen_before(&children)
        .map(|state| Problem::TwoParents { state })
        .collect();
    let mut in_cycle = Vec::new();
    for child in children {
        let around = table.chain(child).skip(1).position(|state| state == child);
        let Some(length) = around else { continue };
        if !in_cycle.contains(&child) {
            let states: Vec<_> = table.chain(child).take(length + 1).collect();
            in_cycle.extend(&states);
            problems.push(Problem::ParentCycle { states });
        }
    }
    problems
}

fn timeouts<C, E: Event>(table: &Table<C, E>) -> Vec<Problem<E>> {
    let states: Vec<_> = table.timeouts.iter().map(|(state, ..)| *state).collect();
    let twice = seen_before(&states).map(|state| Problem::TwoTimeouts { state });
    let unanswered = table.timeouts.iter().filter_map(|(state, _, event)| {
        let answered = table.rows_of(*state).any(|row| row.event == *event);
        (!answered).then_some(Problem::TimeoutUnanswered {
            state: *state,
            event: *event,
        })
    });
    twice.chain(unanswered).collect()
}

/// Every state that can be active, whatever the guards say.
fn reached<C, E: Event>(table: &Table<C, E>) -> Vec<E::State> {
    let mut current = vec![table.initial];
    let mut place = 0;
    while let Some(state) = current.get(place).copied() {
        for row in open_rows(table, state) {
            if !current.contains(&row.target) {
                current.push(row.target);
            }
        }
        place += 1;
    }
    current
        .iter()
        .flat_map(|state| table.chain(*state))
        .collect()
}

/// A parent that nothing leads to only lends its transitions: it is never where
/// a snapshot stays.
fn is_dead_end<C, E: Event>(table: &Table<C, E>, state: E::State) -> bool {
    let is_target = state == table.initial || table.rows.iter().any(|row| row.target == state);
    let is_parent = table.parents.iter().any(|(_, parent)| *parent == state);
    let can_stay = is_target || !is_parent;
    let can_leave = open_rows(table, state)
        .iter()
        .any(|row| row.target != state);
    can_stay && !can_leave && !table.finals.contains(&state)
}

/// The lines of a state and its ancestors that an unguarded one does not hide.
fn open_rows<C, E: Event>(table: &Table<C, E>, state: E::State) -> Vec<&Row<C, E>> {
    let mut closed = Vec::new();
    let mut open = Vec::new();
    for row in table.rows_of(state) {
        if closed.contains(&row.event) {
            continue;
        }
        open.push(row);
        if row.guard.is_none() {
            closed.push(row.event);
        }
    }
    open
}

/// What occurs again, once for each time it does.
fn seen_before<S: Copy + Eq>(all: &[S]) -> impl Iterator<Item = S> {
    let places = all.iter().enumerate();
    let again = places.filter(|(place, one)| all[..*place].contains(one));
    again.map(|(_, one)| *one)
}
