//! Stop 3, `turn`: the nodes, in their order.
//!
//! *Arrives*: a claimed range with what earlier runs recorded.
//! *Leaves*: how the run ends. Nothing is written but recorded steps.
//! *If the process dies here*: recorded steps are reused by the next run;
//! whatever was not recorded is done again.

mod admit;
mod build_prompt;
mod call_model;
mod cx;
mod finalize;
mod journal;
mod recall;

use std::sync::Arc;

use zupa_core::{Model, Store};

use crate::commit::End;
use crate::memory::Memory;
use crate::settings::Agent;
pub(crate) use cx::Cx;
pub(crate) use journal::Journal;

/// The sequence of nodes and what they share.
pub(crate) struct Nodes {
    pub agent: Arc<Agent>,
    pub model: Arc<dyn Model>,
    pub store: Arc<dyn Store>,
    pub memory: Arc<Memory>,
}

impl Nodes {
    /// Runs the nodes; the first that ends the turn has the last word.
    pub(crate) async fn run(&self, cx: &Cx<'_>) -> End {
        self.advance(cx).await.unwrap_or_else(|end| end)
    }

    async fn advance(&self, cx: &Cx<'_>) -> Result<End, End> {
        admit::admit(cx)?;
        let history = recall::recall(cx, &*self.store, &self.memory, &self.agent).await?;
        let request = build_prompt::build_prompt(cx, &self.agent, history);
        let completion = call_model::call_model(cx, &*self.model, request).await?;
        Ok(finalize::finalize(completion))
    }
}
