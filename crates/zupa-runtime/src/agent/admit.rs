//! Node `admit`: the agent's own access rule, before anything is paid for.

use zupa_core::Content;

use super::AgentTurn;
use crate::graph::{Ending, Move};
use crate::turn::{Cx, Stop};

/// A range that holds nothing but reactions asks for no answer.
pub(super) async fn admit(_: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
    let only_reactions = cx
        .inbounds()
        .iter()
        .all(|inbound| matches!(inbound.content, Content::Reaction { .. }));
    Ok(if only_reactions {
        Move::end(Ending::Silent("only reactions".into()))
    } else {
        Move::to("session_attach")
    })
}
