//! The tool with which a model ends the session.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use zupa_core::{Effect, Prompt, Tool, ToolContext, ToolOutput};

use super::AgentTurn;
use crate::tools::tool as tool_of;

pub(super) const NAME: &str = "end_session";

const DESCRIPTION: &str = "Call this when the matter is closed and the person has said goodbye. \
    The next message begins a new conversation.";

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// It changes nothing: that it was called is what counts.
pub(super) fn tool() -> Arc<dyn Tool> {
    let ended = |_: Nothing, _: ToolContext| async { Ok(ToolOutput::of(json!("ended"))) };
    tool_of(NAME, DESCRIPTION, Effect::PURE, ended).into_tool()
}

/// True when the model has called it in this turn.
pub(super) fn was_called(turn: &AgentTurn) -> bool {
    turn.rounds.iter().any(|line| {
        matches!(line, Prompt::Assistant { calls, .. }
            if calls.iter().any(|call| call.name == NAME))
    })
}
