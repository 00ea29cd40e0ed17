//! Node `recall`: the newest lines of the turns before this one.
//!
//! They do not change while the claim holds, so a re-run reads the same; they
//! need no step of their own.

use zupa_core::turn::Message;
use zupa_core::{Number, Store};

use super::Cx;
use crate::commit::End;
use crate::memory::Memory;
use crate::settings::Agent;

pub(super) async fn recall(
    cx: &Cx<'_>,
    store: &dyn Store,
    memory: &Memory,
    agent: &Agent,
) -> Result<Vec<Message>, End> {
    if agent.history == 0 {
        return Ok(Vec::new());
    }
    if let Some(lines) = memory.recall(cx.turn) {
        return Ok(lines);
    }
    // A conversation's first message has nothing before it.
    let lines = if cx.turn.first() <= Number(1) {
        Vec::new()
    } else {
        let read = store.history(cx.turn.conversation, agent.history).await;
        read.map_err(End::Unwritten)?
    };
    memory.keep(cx.turn, lines.clone());
    Ok(lines)
}
