//! Node `build_prompt`: instructions, earlier lines, and the claimed messages,
//! each as a line of its own, in order.

use zupa_core::turn::Message;
use zupa_core::{ModelRequest, Prompt, Role};

use super::Cx;
use crate::settings::Agent;

pub(super) fn build_prompt(cx: &Cx<'_>, agent: &Agent, history: Vec<Message>) -> ModelRequest {
    let system = (!agent.prompt.is_empty()).then(|| Prompt {
        role: Role::System,
        text: agent.prompt.clone(),
    });
    let earlier = history.into_iter().map(|line| Prompt {
        role: line.role,
        text: line.text,
    });
    let claimed = cx.turn.inbounds.iter().map(|inbound| Prompt {
        role: Role::User,
        text: inbound.content.as_prompt_text(),
    });
    ModelRequest {
        messages: system.into_iter().chain(earlier).chain(claimed).collect(),
        timeout: cx.settings.model_timeout,
    }
}
