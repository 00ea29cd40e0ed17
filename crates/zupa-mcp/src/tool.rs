//! The port: one call of a server's tool is one request.
//!
//! Arrives: arguments and a deadline. Guaranteed on leaving: the arguments
//! fitted the server's schema and the server has answered, or the error says
//! what became of the call. If the process dies here, the call is lost; the
//! runtime's journal decides by the tool's class.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::Instant;
use zupa_core::{Effect, Probe, Result, Tool, ToolContext, ToolOutput, ToolSpec};

use crate::catalogue::Definition;
use crate::client::time_to_answer;
use crate::server::McpServer;

/// A tool of a server, as it was listed.
pub(crate) struct McpTool {
    server: Arc<McpServer>,
    known: Arc<Definition>,
}

impl McpTool {
    pub(crate) fn new(server: Arc<McpServer>, known: Arc<Definition>) -> Self {
        Self { server, known }
    }
}

#[async_trait]
impl Tool for McpTool {
    fn spec(&self) -> &ToolSpec {
        &self.known.spec
    }

    fn effect(&self) -> Effect {
        self.known.effect
    }

    async fn call(&self, arguments: Value, cx: ToolContext) -> Result<ToolOutput> {
        let deadline = Instant::now() + time_to_answer(cx.timeout);
        self.server
            .call(&self.known, arguments, cx.key, deadline)
            .await
    }

    async fn probe(&self, _arguments: Value, _cx: ToolContext) -> Result<Probe> {
        // The protocol has no such question.
        Ok(Probe::Unknown)
    }
}

impl fmt::Debug for McpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.known.effect.class.as_str();
        write!(f, "McpTool({}, {class})", self.known.spec.name)
    }
}
