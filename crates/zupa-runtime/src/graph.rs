//! What a turn executes: named nodes, and every way from one to another declared,
//! checked when the graph is built, and drawn.
//!
//! A node reads the state and answers with a [`Move`]: an update of the state and
//! where to go. Updates are applied in one place, in declared order, so parallel
//! nodes give the same state whichever finishes first. Effects go through the
//! [`crate::Cx`], which records them: after a crash the graph runs again from its
//! start, or from where its turn was parked, and reuses what was recorded, so it
//! arrives where it was without paying anything twice.
//!
//! Reading order: `state`, `moves`, `node`, `build`, `run`, `sub`, `park`,
//! `mermaid`.

mod build;
mod mermaid;
mod moves;
mod node;
mod park;
mod reviewed;
mod run;
mod state;
mod sub;

use std::sync::Arc;

use zupa_core::{Claimed, Digest, Outbound};

pub use build::{Exit, GraphBuilder, ends, leaves, to, waits};
pub use moves::{Ending, Move, Question};
pub use node::{Node, NodeFn};
pub(crate) use run::Engine;
pub use state::{Left, State};
pub use sub::SubGraph;

/// Moves of one turn beyond which it is taken for a cycle without end.
const MOVES: u32 = 50;

/// A checked graph.
pub struct Graph<S: State> {
    name: String,
    nodes: Vec<Entry<S>>,
    moves: u32,
    fingerprint: Digest,
    /// Old names of nodes, and their new ones.
    renamed: Vec<(String, String)>,
    /// What stands before a node now: (node, inserted).
    before: Vec<(String, String)>,
    answers: Answers,
    equips: Equips<S>,
    says_in_review: Vec<Outbound>,
}

/// Whether messages answer a question.
type Answers = Box<dyn Fn(&[Claimed]) -> bool + Send + Sync>;

/// What the state of each turn is given that nobody stores.
type Equips<S> = Box<dyn Fn(&mut S) + Send + Sync>;

struct Entry<S: State> {
    name: String,
    /// The first visit of it, as the keys of its effects begin.
    first: Arc<str>,
    node: Arc<dyn Node<S>>,
    exits: Vec<Exit>,
}

impl<S: State> Graph<S> {
    /// Begins a graph. The first node added is where it starts.
    pub fn builder(name: impl Into<String>) -> GraphBuilder<S> {
        GraphBuilder::new(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes whenever nodes or exits do.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// The names of its nodes, in declared order.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|entry| entry.name.as_str())
    }

    /// Gives the state of a turn what the conversation has kept, and what nobody stores.
    fn attach(&self, state: &mut S, kept: S::Kept) {
        state.attach(kept);
        (self.equips)(state);
    }

    /// The place of a node, under its name of today.
    fn place(&self, name: &str) -> Option<usize> {
        let today = self
            .renamed
            .iter()
            .find(|(old, _)| old == name)
            .map_or(name, |(_, new)| new);
        self.nodes.iter().position(|entry| entry.name == today)
    }
}

impl<S: State> Entry<S> {
    fn new(name: String, node: Arc<dyn Node<S>>, exits: impl IntoIterator<Item = Exit>) -> Self {
        Self {
            first: format!("{name}/1").into(),
            name,
            node,
            exits: exits.into_iter().collect(),
        }
    }

    /// A visit of it, as the keys of its effects begin.
    fn visit(&self, prefix: &str, visit: u32) -> Arc<str> {
        match (prefix, visit) {
            ("", 1) => self.first.clone(),
            _ => format!("{prefix}{}/{visit}", self.name).into(),
        }
    }
}

impl<S: State> std::fmt::Debug for Graph<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graph({}, {} nodes)", self.name, self.nodes.len())
    }
}
