//! Node `finalize`: from what the model said to what is sent, written or spoken.

use std::sync::Arc;

use async_trait::async_trait;

use super::hooks::Verdict;
use super::talk::{Came, Talk};
use super::{AgentTurn, Parts, Update, speak};
use crate::graph::{Ending, Move, Node};
use crate::turn::{Cx, Stop};

pub(super) struct Finalize(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for Finalize {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let agent = &self.0.agent;
        if turn.model_down {
            return Box::pin(self.without_a_model(cx)).await;
        }
        // A reply that kept the wrong form after its repair is nobody's to read.
        let said = match agent.check_reply(&turn.reply) {
            Ok(text) => text,
            Err(_) => return Box::pin(self.fall_back(turn, cx)).await,
        };
        let text = match super::hooks::before_reply(agent, said, turn, cx).await? {
            Verdict::Continue(text) | Verdict::Replace(text) => text,
            Verdict::Cancel(why) => return Ok(Move::end(Ending::Silent(why))),
        };
        if text.trim().is_empty() {
            return Ok(Move::end(Ending::Silent("there was nothing to say".into())));
        }
        let outbound = vec![speak::outbound(&self.0, text.trim(), cx).await?];
        if agent.is_closed_by(turn) {
            return Ok(Move::to("persist").with(Update::Closing(outbound)));
        }
        Ok(Move::to("persist").with(Update::Outbound(outbound)))
    }
}

impl Finalize {
    /// The fallback text, which is no failure of the conversation's.
    async fn without_a_model(&self, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let text = self.0.agent.fallback.trim();
        if text.is_empty() {
            return Ok(Move::end(Ending::Silent("the model is down".into())));
        }
        let outbound = vec![speak::outbound(&self.0, text, cx).await?];
        Ok(Move::to("persist").with(Update::Outbound(outbound)))
    }

    /// The fallback text; or, after too many of them, that a human was called.
    async fn fall_back(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let agent = &self.0.agent;
        let calls_human = |talk: &Talk| talk.calls_human_next(&turn.rules);
        let calls_human = turn.kept.talk.as_ref().is_some_and(calls_human);
        let text = match calls_human && !agent.language.human_asked.is_empty() {
            true => &agent.language.human_asked,
            false => &agent.fallback,
        };
        if text.trim().is_empty() {
            let silent = Move::end(Ending::Silent("there was nothing to say".into()));
            return Ok(silent.with(Update::Came(Came::ToFallback)));
        }
        let outbound = vec![speak::outbound(&self.0, text.trim(), cx).await?];
        Ok(Move::to("persist").with(Update::Fallback(outbound)))
    }
}
