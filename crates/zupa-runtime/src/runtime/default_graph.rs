//! The default agent's graph, as somebody has changed it: to run, or only to look at.

use std::sync::Arc;

use zupa_core::Result;

use super::Runtime;
use super::builder::Edit;
use crate::agent::{self, Agent, AgentTurn, Parts};
use crate::graph::{Graph, GraphBuilder};
use crate::memory::Memory;
use crate::resilience::Models;
use crate::settings::Settings;

impl Runtime {
    /// Draws the graph of a default agent as a Mermaid flowchart, with the changes that
    /// [`super::Builder::edit`] would make. Needs no store and no model; nothing runs.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a graph that is wrong.
    pub fn draw(
        agent: Agent,
        edit: impl FnOnce(GraphBuilder<AgentTurn>) -> GraphBuilder<AgentTurn> + Send + 'static,
    ) -> Result<String> {
        let parts = Parts {
            agent: Arc::new(agent),
            settings: Arc::new(Settings::default()),
            // The edges are the same if nobody answers.
            model: Models::new(Vec::new()),
            store: None,
            desk: None,
            memory: Arc::new(Memory::new(0)),
            notices: Default::default(),
        };
        Ok(default_graph(parts, vec![Box::new(edit)])?.mermaid())
    }
}

pub(super) fn default_graph(parts: Parts, edits: Vec<Edit>) -> Result<Graph<AgentTurn>> {
    edits
        .into_iter()
        .fold(agent::graph(parts), |graph, edit| edit(graph))
        .build()
}
