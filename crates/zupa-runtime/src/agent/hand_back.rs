//! Node `hand_back`: the conversation comes back from a human, or nobody has taken it.
//!
//! *Arrives*: the settled question whether a human takes the conversation over.
//! *Leaves*: a word where nobody has come; else none, since the human has spoken.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use zupa_core::{Outbound, WaitState};

use super::talk::Came;
use super::{AgentTurn, Parts, Update};
use crate::graph::{Ending, Move, Node, Question};
use crate::turn::{Cx, Stop};

pub(super) struct HandBack(pub Arc<Parts>);

/// What operators are asked.
pub(super) fn question() -> Question {
    Question::decision(json!({
        "review": "takeover",
        "question": "A human is wanted. Approve: take the conversation over. Reject: the agent goes on.",
    }))
}

#[async_trait]
impl Node<AgentTurn> for HandBack {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let nobody_came = cx
            .settled()
            .iter()
            .any(|wait| wait.state == WaitState::Expired);
        let said = &self.0.agent.language.nobody_free;
        let ending = match nobody_came && !said.is_empty() {
            true => Ending::Answer(vec![Outbound::reply(said)]),
            false => Ending::Silent("handed back".into()),
        };
        Ok(Move::end(ending).with(Update::Came(Came::Back)))
    }
}
