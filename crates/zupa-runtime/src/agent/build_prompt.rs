//! Node `build_prompt`: instructions, what a context provider adds, earlier lines,
//! the claimed messages, each as a line of its own, and the rounds of this turn.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::{Content, Prompt, Role};

use super::{AgentTurn, Parts, Update};
use crate::graph::{Move, Node};
use crate::turn::{Cx, Stop};

pub(super) struct BuildPrompt(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for BuildPrompt {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let agent = &self.0.agent;
        let system = (!agent.prompt.is_empty()).then(|| Prompt::line(Role::System, &agent.prompt));
        let context = super::hooks::context(agent, turn, cx).await?;
        let context = context.map(|text| Prompt::line(Role::System, text));
        let history = turn.history.iter().flatten();
        let earlier = history.map(|line| Prompt::line(line.role, &line.text));
        let since = said_since(turn, cx);
        let said = since.chain(turn.input.iter().cloned());
        let said = said.map(|text| Prompt::line(Role::User, text));
        let prompt = system
            .into_iter()
            .chain(context)
            .chain(earlier)
            .chain(said)
            .chain(turn.rounds.iter().cloned())
            .collect();
        Ok(Move::to("call_model").with(Update::Prompt(prompt)))
    }
}

/// What the person has said now, if the turn goes on for one that was parked: its own
/// words are of another time.
fn said_since<'a>(turn: &AgentTurn, cx: &'a Cx) -> impl Iterator<Item = String> + 'a {
    let first = cx.inbounds().first().map(|inbound| inbound.number);
    let goes_on = first.is_some_and(|first| first != turn.range.0);
    let inbounds = cx.inbounds().iter().filter(move |_| goes_on);
    inbounds
        .filter(|inbound| !matches!(inbound.content, Content::Settled { .. }))
        .map(|inbound| inbound.content.as_prompt_text())
}
