//! Node `build_prompt`: instructions, what is remembered of earlier sessions, what a
//! context provider adds, earlier lines,
//! the claimed messages, each as a line of its own, and the rounds of this turn.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use zupa_core::machine::conversation::ConversationState;
use zupa_core::{Prompt, Role};

use super::{AgentTurn, Kept, Parts, Update};
use crate::graph::{Move, Node};
use crate::turn::{Cx, Stop};

pub(super) struct BuildPrompt(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for BuildPrompt {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let agent = &self.0.agent;
        let system = (!agent.prompt.is_empty()).then(|| Prompt::line(Role::System, &agent.prompt));
        let remembered = remembered(&turn.kept).map(|text| Prompt::line(Role::System, text));
        let context = super::hooks::context(agent, turn, cx).await?;
        let context = context.map(|text| Prompt::line(Role::System, text));
        let history = turn.history.iter().flatten();
        let earlier = history.map(|line| Prompt::line(line.role, &line.text));
        let since = said_since(turn, cx);
        let said = since.chain(turn.input.iter().cloned());
        let said = said.map(|text| Prompt::line(Role::User, text));
        let prompt = system
            .into_iter()
            .chain(remembered)
            .chain(context)
            .chain(earlier)
            .chain(said)
            .chain(turn.rounds.iter().cloned())
            .collect();
        Ok(Move::to("call_model").with(Update::Prompt(prompt)))
    }
}

/// Earlier sessions, and that a human is awaited.
fn remembered(kept: &Kept) -> Option<String> {
    let mut text = String::new();
    for episode in &kept.episodes {
        let day = DateTime::from_timestamp_micros(episode.at.0)
            .map(|at| at.format("%Y-%m-%d").to_string())
            .unwrap_or_default();
        text += &format!("\n- {day}: {}", episode.summary);
    }
    if !text.is_empty() {
        text.insert_str(
            0,
            "What you remember of earlier conversations with this person:",
        );
    }
    let awaits = |talk: &super::Talk| talk.state() == ConversationState::NeedsHuman;
    if kept.talk.as_ref().is_some_and(awaits) {
        text +=
            "\nThe person has been told that a human colleague will take over. None has come yet.";
    }
    (!text.is_empty()).then(|| text.trim_start().to_owned())
}

/// What the person has said now, if the turn goes on for one that was parked: its own
/// words are of another time.
fn said_since<'a>(turn: &AgentTurn, cx: &'a Cx) -> impl Iterator<Item = String> + 'a {
    let first = cx.inbounds().first().map(|inbound| inbound.number);
    let goes_on = first.is_some_and(|first| first != turn.range.0);
    let inbounds = cx.inbounds().iter().filter(move |_| goes_on);
    inbounds
        .filter(|inbound| !inbound.content.is_internal())
        .map(|inbound| inbound.content.as_prompt_text())
}
