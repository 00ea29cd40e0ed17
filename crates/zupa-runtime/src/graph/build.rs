//! Building a graph, and finding every mistake in it at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use zupa_core::{Claimed, Digest, Error, Outbound, Result};

use super::node::Function;
use super::{Answers, Entry, Equips, Graph, MOVES, Node, NodeFn, State};

/// A way out of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// To a node.
    To(String),
    /// To a wait, and from there to a node.
    Wait(String),
    /// To the turn's end.
    End,
    /// Out of this graph, into the one around it.
    Leave,
}

impl Exit {
    /// The node it leads to at once.
    pub(super) fn node(&self) -> Option<&str> {
        match self {
            Self::To(name) => Some(name),
            Self::Wait(_) | Self::End | Self::Leave => None,
        }
    }

    /// The node it leads to by way of a wait.
    pub(super) fn awaited(&self) -> Option<&str> {
        match self {
            Self::Wait(name) => Some(name),
            Self::To(_) | Self::End | Self::Leave => None,
        }
    }
}

/// A way to a node.
pub fn to(node: impl Into<String>) -> Exit {
    Exit::To(node.into())
}

/// A way to a wait, and from there to a node.
pub fn waits(node: impl Into<String>) -> Exit {
    Exit::Wait(node.into())
}

/// A way to the turn's end.
pub fn ends() -> Exit {
    Exit::End
}

/// A way out of a graph that is a node of another.
pub fn leaves() -> Exit {
    Exit::Leave
}

/// Assembles a [`Graph`].
pub struct GraphBuilder<S: State> {
    name: String,
    nodes: Vec<Entry<S>>,
    moves: u32,
    renamed: Vec<(String, String)>,
    before: Vec<(String, String)>,
    answers: Answers,
    equips: Equips<S>,
    says_in_review: Vec<Outbound>,
    problems: Vec<String>,
}

impl<S: State> GraphBuilder<S> {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            nodes: Vec::new(),
            moves: MOVES,
            renamed: Vec::new(),
            before: Vec::new(),
            answers: Box::new(|_| true),
            equips: Box::new(|_| {}),
            says_in_review: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds a function as a node, with every way out of it.
    pub fn node<F>(
        self,
        name: impl Into<String>,
        function: F,
        exits: impl IntoIterator<Item = Exit>,
    ) -> Self
    where
        F: for<'a> NodeFn<'a, S>,
    {
        self.add(name, Arc::new(Function(function)), exits)
    }

    /// Adds a node that holds what it needs.
    pub fn add(
        mut self,
        name: impl Into<String>,
        node: Arc<dyn Node<S>>,
        exits: impl IntoIterator<Item = Exit>,
    ) -> Self {
        self.nodes.push(Entry::new(name.into(), node, exits));
        self
    }

    /// Puts another node in the place of one, with the same ways in and out.
    pub fn replace(mut self, name: &str, node: Arc<dyn Node<S>>) -> Self {
        match self.entry(name) {
            Some(entry) => entry.node = node,
            None => self.unknown("replace", name),
        }
        self
    }

    /// Puts something around a node. Its name stays, and with it the keys of its
    /// effects.
    pub fn wrap(
        mut self,
        name: &str,
        layer: impl FnOnce(Arc<dyn Node<S>>) -> Arc<dyn Node<S>>,
    ) -> Self {
        match self.entry(name) {
            Some(entry) => entry.node = layer(entry.node.clone()),
            None => self.unknown("wrap", name),
        }
        self
    }

    /// Puts a new node before another: whatever leads there leads to the new one
    /// first.
    pub fn insert_before(
        mut self,
        name: &str,
        new: impl Into<String>,
        node: Arc<dyn Node<S>>,
        exits: impl IntoIterator<Item = Exit>,
    ) -> Self {
        let Some(place) = self.nodes.iter().position(|entry| entry.name == name) else {
            self.unknown("insert before", name);
            return self;
        };
        let new = new.into();
        self.before.push((name.to_owned(), new.clone()));
        for exit in self.nodes.iter_mut().flat_map(|entry| &mut entry.exits) {
            if let Exit::To(target) | Exit::Wait(target) = exit
                && target == name
            {
                target.clone_from(&new);
            }
        }
        self.nodes.insert(place, Entry::new(new, node, exits));
        self
    }

    /// Says that a node had another name in an earlier version: turns that were
    /// parked there go on.
    pub fn renamed(mut self, old: impl Into<String>, new: impl Into<String>) -> Self {
        self.renamed.push((old.into(), new.into()));
        self
    }

    /// Says which messages are answers to the question that a turn was parked with; any
    /// other begins a turn of its own and leaves the question open. Default: all.
    pub fn answers(mut self, answers: impl Fn(&[Claimed]) -> bool + Send + Sync + 'static) -> Self {
        self.answers = Box::new(answers);
        self
    }

    /// What the state of each turn is given before its first node, and before a turn that
    /// gives up is left: settings, which nobody stores. Default: nothing.
    pub fn equips(mut self, equips: impl Fn(&mut S) + Send + Sync + 'static) -> Self {
        self.equips = Box::new(equips);
        self
    }

    /// What the person hears when nobody knows whether an effect took place and an operator
    /// is asked. Default: nothing.
    pub fn says_in_review(mut self, say: Vec<Outbound>) -> Self {
        self.says_in_review = say;
        self
    }

    /// Sets the most moves of one turn. Default: 50.
    pub fn moves(mut self, most: u32) -> Self {
        self.moves = most;
        self
    }

    /// Checks everything and reports every problem at once.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`], naming each node concerned.
    pub fn build(mut self) -> Result<Graph<S>> {
        self.check();
        if !self.problems.is_empty() {
            return Err(Error::invalid(format!(
                "the graph is wrong: {}",
                self.problems.join("; ")
            ))
            .with("graph", &self.name));
        }
        let shape: Vec<_> = self
            .nodes
            .iter()
            .map(|entry| (&entry.name, format!("{:?}", entry.exits)))
            .collect();
        let fingerprint = Digest::of_json(&(&self.name, S::VERSION, &shape));
        Ok(Graph {
            name: self.name,
            nodes: self.nodes,
            moves: self.moves,
            fingerprint,
            renamed: self.renamed,
            before: self.before,
            answers: self.answers,
            equips: self.equips,
            says_in_review: self.says_in_review,
        })
    }

    fn check(&mut self) {
        let mut problems = std::mem::take(&mut self.problems);
        if self.nodes.is_empty() {
            problems.push("it has no node".into());
        }
        let mut names = BTreeSet::new();
        for entry in &self.nodes {
            if !names.insert(entry.name.as_str()) {
                problems.push(format!("two nodes are named {}", entry.name));
            }
            if entry.name.is_empty() || entry.name.contains(['/', ',']) {
                problems.push(format!(
                    "{:?} is no name: it must not be empty or hold / or ,",
                    entry.name
                ));
            }
        }
        for entry in &self.nodes {
            if entry.exits.is_empty() {
                problems.push(format!("there is no way out of {}", entry.name));
            }
            for target in targets(entry).filter(|target| !names.contains(target)) {
                problems.push(format!(
                    "{} leads to {target}, which is unknown",
                    entry.name
                ));
            }
        }
        for (old, new) in self
            .renamed
            .iter()
            .filter(|(_, new)| !names.contains(new.as_str()))
        {
            problems.push(format!("{old} was renamed to {new}, which is unknown"));
        }
        if problems.is_empty() {
            problems.extend(self.unreachable());
            problems.extend(self.without_end());
        }
        self.problems = problems;
    }

    fn unreachable(&self) -> Vec<String> {
        let start = self.nodes.first().map(|entry| entry.name.as_str());
        let mut seen: BTreeSet<&str> = start.into_iter().collect();
        let mut next: Vec<&str> = seen.iter().copied().collect();
        while let Some(name) = next.pop() {
            let entry = self.nodes.iter().find(|entry| entry.name == name);
            for target in entry.into_iter().flat_map(targets) {
                if seen.insert(target) {
                    next.push(target);
                }
            }
        }
        self.nodes
            .iter()
            .filter(|entry| !seen.contains(entry.name.as_str()))
            .map(|entry| format!("nothing leads to {}", entry.name))
            .collect()
    }

    /// Nodes from which no way leads out of the graph.
    fn without_end(&self) -> Vec<String> {
        let mut ending: BTreeSet<&str> = BTreeSet::new();
        loop {
            let before = ending.len();
            for entry in &self.nodes {
                let leads_out = [Exit::End, Exit::Leave]
                    .iter()
                    .any(|out| entry.exits.contains(out))
                    || targets(entry).any(|target| ending.contains(target));
                if leads_out {
                    ending.insert(&entry.name);
                }
            }
            if ending.len() == before {
                break;
            }
        }
        self.nodes
            .iter()
            .filter(|entry| !ending.contains(entry.name.as_str()))
            .map(|entry| format!("no way leads from {} to an end", entry.name))
            .collect()
    }

    fn entry(&mut self, name: &str) -> Option<&mut Entry<S>> {
        self.nodes.iter_mut().find(|entry| entry.name == name)
    }

    fn unknown(&mut self, what: &str, name: &str) {
        self.problems
            .push(format!("cannot {what} {name}: it is unknown"));
    }
}

fn targets<S: State>(entry: &Entry<S>) -> impl Iterator<Item = &str> {
    entry.exits.iter().filter_map(|exit| match exit {
        Exit::To(name) | Exit::Wait(name) => Some(name.as_str()),
        Exit::End | Exit::Leave => None,
    })
}
