//! A graph as a node of another.

use async_trait::async_trait;
use zupa_core::{Error, Result};

use super::run::{Visits, Walk, Way};
use super::{Exit, Graph, Move, Node, State};
use crate::turn::{Cx, Stop};

/// A graph as a node of another. It begins with a state made from the outer one, and
/// when it is left ([`Move::leave`]) its state becomes an update of the outer one. If it
/// ends the turn, the turn is over. It does not wait.
pub struct SubGraph<S: State, Outer: State> {
    graph: Graph<S>,
    enter: Box<dyn Fn(&Outer) -> S + Send + Sync>,
    leave: Box<dyn Fn(S) -> Outer::Update + Send + Sync>,
    then: String,
}

impl<S: State, Outer: State> SubGraph<S, Outer> {
    /// Makes a node of a graph; `then` is the node that follows it.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a graph that may wait, or that
    /// nothing leaves.
    pub fn new(
        graph: Graph<S>,
        enter: impl Fn(&Outer) -> S + Send + Sync + 'static,
        leave: impl Fn(S) -> Outer::Update + Send + Sync + 'static,
        then: impl Into<String>,
    ) -> Result<Self> {
        let exits = || graph.nodes.iter().flat_map(|entry| &entry.exits);
        if exits().any(|exit| matches!(exit, Exit::Wait(_))) {
            return Err(
                Error::invalid("a graph that waits cannot be a node of another")
                    .with("graph", &graph.name),
            );
        }
        if !exits().any(|exit| *exit == Exit::Leave) {
            return Err(
                Error::invalid("nothing leaves a graph that is a node of another")
                    .with("graph", &graph.name),
            );
        }
        Ok(Self {
            graph,
            enter: Box::new(enter),
            leave: Box::new(leave),
            then: then.into(),
        })
    }
}

#[async_trait]
impl<S: State, Outer: State> Node<Outer> for SubGraph<S, Outer> {
    async fn run(&self, state: &Outer, cx: &mut Cx) -> std::result::Result<Move<Outer>, Stop> {
        let mut walk = Walk {
            state: (self.enter)(state),
            at: vec![0],
            visits: Visits::new(),
        };
        let prefix = format!("{}.", cx.visit());
        let run = cx.run.clone();
        let way = self
            .graph
            .walk(&mut walk, &prefix, &mut cx.gathered, &run)
            .await?;
        match way {
            Way::Left => Ok(Move::to(self.then.clone()).with((self.leave)(walk.state))),
            Way::Ended(ending) => Ok(Move::end(ending)),
            Way::Waits { .. } => Err(Stop::Failed(Error::internal("a node of a graph waited"))),
        }
    }
}
