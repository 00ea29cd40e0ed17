//! Node `recall`: the newest lines of the conversation before this turn.
//!
//! They do not change while the claim holds, so a re-run reads the same; they need
//! no step of their own.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::turn::Message;
use zupa_core::{Number, Role};

use super::{AgentTurn, Parts, Update};
use crate::graph::{Move, Node};
use crate::turn::{Cx, Stop};

pub(super) struct Recall(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for Recall {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        if turn.history.is_some() {
            return Ok(Move::to("build_prompt"));
        }
        let mut lines = self.lines(cx).await?;
        let (first, last) = turn.range;
        lines.retain(|line| {
            // What the turn itself is about is said in its own place. The numbers between
            // are others' too: an answer may lie among messages that came before it.
            let own = line.role == Role::User && (first..=last).contains(&line.number);
            line.number >= turn.kept.session.first && !own
        });
        for line in &mut lines {
            // The row says only that there was a voice.
            let heard = turn
                .kept
                .heard
                .iter()
                .find(|(number, _)| *number == line.number);
            if let Some((_, words)) = heard {
                line.text.clone_from(words);
            }
        }
        Ok(Move::to("build_prompt").with(Update::History(lines)))
    }
}

impl Recall {
    async fn lines(&self, cx: &Cx) -> Result<Vec<Message>, Stop> {
        let (claimed, memory) = (&cx.run.turn, &self.0.memory);
        if self.0.agent.history == 0 {
            return Ok(Vec::new());
        }
        if let Some(lines) = memory.recall(claimed) {
            return Ok(lines);
        }
        let lines = match &self.0.store {
            // A conversation's first message has nothing before it.
            Some(store) if claimed.first() > Number(1) => {
                let limit = self.0.agent.history;
                let read = store.history(claimed.conversation, limit).await;
                read.map_err(Stop::Unwritten)?
            }
            _ => Vec::new(),
        };
        memory.keep(claimed, lines.clone());
        Ok(lines)
    }
}
