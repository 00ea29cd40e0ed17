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
        let mut lines = lines(&self.0, turn, cx).await?;
        let (first, last) = turn.range;
        lines.retain(|line| {
            // What the turn itself is about is said in its own place. The numbers between
            // are others' too: an answer may lie among messages that came before it.
            let own = line.role == Role::User && (first..=last).contains(&line.number);
            line.number >= turn.kept.session.first && !own
        });
        Ok(Move::to("build_prompt").with(Update::History(lines)))
    }
}

/// The newest lines before the turn, with the words of what was voice.
pub(super) async fn lines(parts: &Parts, turn: &AgentTurn, cx: &Cx) -> Result<Vec<Message>, Stop> {
    let mut lines = read(parts, cx).await?;
    for line in &mut lines {
        // The row says only that there was a voice.
        let mut heard = turn.kept.heard.iter();
        if let Some((_, words)) = heard.find(|(number, _)| *number == line.number) {
            line.text.clone_from(words);
        }
    }
    Ok(lines)
}

async fn read(parts: &Parts, cx: &Cx) -> Result<Vec<Message>, Stop> {
    let (claimed, memory) = (&cx.run.turn, &parts.memory);
    if parts.agent.history == 0 {
        return Ok(Vec::new());
    }
    if let Some(lines) = memory.recall(claimed) {
        return Ok(lines);
    }
    let lines = match &parts.store {
        // A conversation's first message has nothing before it.
        Some(store) if claimed.first() > Number(1) => {
            let limit = parts.agent.history;
            let read = store.history(claimed.conversation, limit).await;
            read.map_err(Stop::Unwritten)?
        }
        _ => Vec::new(),
    };
    memory.keep(claimed, lines.clone());
    Ok(lines)
}
