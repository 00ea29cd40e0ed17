//! Node `recall`: the newest lines of the conversation before this range.
//!
//! The lines below a claimed range do not change while the claim holds, so a
//! re-run reads the same; they need no step of their own.

use zupa_core::turn::Message;
use zupa_core::{Number, Store};

use super::Cx;
use crate::commit::End;
use crate::settings::Agent;

pub(super) async fn recall(
    cx: &Cx<'_>,
    store: &dyn Store,
    agent: &Agent,
) -> Result<Vec<Message>, End> {
    let before = cx.turn.first();
    // A conversation's first message has nothing before it.
    if agent.history == 0 || before <= Number(1) {
        return Ok(Vec::new());
    }
    store
        .history(cx.turn.conversation, before, agent.history)
        .await
        .map_err(End::Unwritten)
}
